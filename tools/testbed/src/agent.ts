import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';

import type { NodeFolders } from './node.ts';
import type { Bench } from './testbed.ts';

export interface AgentOptions {
  /** Flags beside the folders, for example `--enable-policy=always`. */
  readonly flags?: readonly string[] | undefined;
  /** Command to run instead of the built agent; the flags are appended. */
  readonly command?: readonly string[] | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** How long it may take to answer its health check; 120,000 if absent: emulated machines need a minute. */
  readonly timeoutMs?: number | undefined;
  /** Resolve once the process runs, without waiting for readiness. */
  readonly doNotWait?: boolean | undefined;
  /** Go on running when this process ends. */
  readonly detached?: boolean | undefined;
}

/** A running agent. */
export interface Agent {
  readonly pid: number;
  readonly socketPath: string;
  /** Milliseconds from start to ready; undefined with `doNotWait`. */
  readonly startedAfterMs: number | undefined;
  /** Settles when the process has ended. */
  readonly exited: Promise<AgentExit>;
  /** What it logged so far, of earlier runs in this node too. */
  log(): string;
  /** Sends a signal (SIGTERM if absent) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<AgentExit>;
}

export interface AgentExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Where one agent runs. */
export interface AgentPlace {
  readonly netns: string;
  readonly log: string;
  readonly folders: NodeFolders;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const POLL_MS = 5;

/** src/ and dist/ are both one level below tools/testbed. */
const agentMain = (): string => fileURLToPath(new URL('../../../apps/cilium-agent/dist/main.js', import.meta.url));

const folderFlags = (folders: NodeFolders): string[] => [
  `--state-dir=${folders.state}`,
  `--bpf-root=${folders.bpf}`,
  `--socket-path=${folders.socket}`,
  `--config-dir=${folders.config}`,
  `--policy-dir=${folders.policies}`,
  // Never the machine's own.
  `--cgroup-root=${folders.cgroup}`,
];

export const startAgent = async (bench: Bench, place: AgentPlace, options: AgentOptions = {}): Promise<Agent> => {
  const { flags = [], command = [process.execPath, agentMain()], timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const begin = performance.now();
  const child = launch(place, [...command, ...folderFlags(place.folders), ...flags], options);
  const exited = new Promise<AgentExit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  const pid = await startedPid(child);
  bench.adopt(pid);
  const log = (): string => readFileSync(place.log, 'utf8');
  const stop = (signal: NodeJS.Signals = 'SIGTERM'): Promise<AgentExit> => {
    child.kill(signal);
    return exited;
  };
  bench.onClose(async () => void (await stop('SIGKILL')));
  if (!options.doNotWait) await untilReady(place, { exited, timeoutMs, log });
  const startedAfterMs = options.doNotWait ? undefined : performance.now() - begin;
  return { pid, socketPath: place.folders.socket, startedAfterMs, exited, log, stop };
};

const launch = (place: AgentPlace, command: string[], options: AgentOptions): ChildProcess => {
  const out = openSync(place.log, 'a');
  try {
    // Its end follows ours even if we are killed; nsenter and setpriv become the command, so the pid is the agent's.
    const leash = options.detached ? [] : ['setpriv', '--pdeathsig', 'KILL'];
    return spawn('nsenter', [`--net=${place.netns}`, ...leash, ...command], {
      stdio: ['ignore', out, out],
      detached: options.detached ?? false,
      env: { ...process.env, ...options.environment },
    });
  } finally {
    closeSync(out);
  }
};

const startedPid = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!));
    child.once('error', (error) => reject(new Error(`start agent: ${error.message}`, { cause: error })));
  });

interface Waiting {
  readonly exited: Promise<AgentExit>;
  readonly timeoutMs: number;
  readonly log: () => string;
}

const untilReady = async (place: AgentPlace, waiting: Waiting): Promise<void> => {
  const deadline = performance.now() + waiting.timeoutMs;
  let ended: AgentExit | undefined;
  void waiting.exited.then((exit) => (ended = exit));
  while (!(await isHealthy(place.folders.socket))) {
    const failure = ended ? `it ended with ${ended.signal ?? `code ${ended.code}`}` : performance.now() > deadline ? `not ready after ${waiting.timeoutMs} ms` : undefined;
    if (failure) throw new Error(`start agent: ${failure}; its log ends:\n${waiting.log().slice(-4000)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

/** Whether GET /v1/healthz answers 200. */
const isHealthy = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const get = request({ socketPath, path: '/v1/healthz', timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    get.once('timeout', () => get.destroy());
    get.once('error', () => resolve(false));
    get.end();
  });
