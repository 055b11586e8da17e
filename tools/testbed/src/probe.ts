import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { Bench } from './testbed.ts';

/**
 * How an attempt to communicate went. `timeout`: nothing came back; `refused`: TCP RST or ICMP port unreachable;
 * `unreachable`, `prohibited`, `ttl-exceeded`, `too-big`: the ICMP error of that name, or the own machine's refusal;
 * `reset`: ended after it was established. A UDP socket hears of a closed port, and of hardly any other ICMP error: where a
 * connection is `unreachable`, a datagram times out.
 */
export type Outcome = 'ok' | 'timeout' | 'refused' | 'unreachable' | 'prohibited' | 'reset' | 'ttl-exceeded' | 'too-big' | 'failed';

export interface Attempt {
  readonly outcome: Outcome;
  /** Name of the errno, where there was one. */
  readonly code?: string;
  readonly ms: number;
  /** The handshake was done, even if no echo came. */
  readonly connected: boolean;
  readonly local?: { readonly address: string; readonly port: number };
}

export interface Target {
  readonly address: string;
  readonly port: number;
  /** 1,000 if absent. */
  readonly timeoutMs?: number;
  readonly localPort?: number;
  readonly localAddress?: string;
  /** What to send and expect back; a short text if absent. For TCP, empty: only connect. */
  readonly payload?: string;
}

export interface PingTarget {
  readonly address: string;
  readonly timeoutMs?: number;
  /** Bytes of payload; 56 if absent. */
  readonly size?: number;
  readonly ttl?: number;
  readonly dontFragment?: boolean;
  /** Address or device to send from. */
  readonly source?: string;
}

export interface ListenOptions {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** All of both families if absent. Where a host has several, UDP needs them named, to answer from the one asked. */
  readonly addresses?: readonly string[];
}

/**
 * `tcp`: one connection, numbered messages echoed. `udp`: numbered datagrams one way; the listener counts them.
 * `connections`, `datagrams`: a new connection, or a datagram from a new port, each time.
 */
export interface FlowOptions {
  readonly kind: 'tcp' | 'udp' | 'connections' | 'datagrams';
  readonly address: string;
  readonly port: number;
  /** 5 if absent. */
  readonly intervalMs?: number;
  readonly localPort?: number;
  /** Of `tcp` and `udp`. */
  readonly localAddress?: string;
  /** Of each attempt of `connections` and `datagrams`; 1,000 if absent. */
  readonly timeoutMs?: number;
}

/** Times are milliseconds of CLOCK_MONOTONIC, the same for all processes: compare with `monotonicMs()`. */
export interface FlowStats {
  readonly sent: number;
  /** Echoes, or attempts that succeeded. */
  readonly received: number;
  /** Attempts that failed. */
  readonly missing: number;
  /** How a `tcp` flow ended, if it did: `EOF` if the other end closed it (FIN), `ECONNRESET` if it was reset, even with an echo unread. */
  readonly broken?: { readonly code: string; readonly at: number };
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  readonly longestSilenceMs: number;
  readonly lastOkAt?: number;
  readonly firstFailureAt?: number;
  /** When this was counted. */
  readonly at: number;
}

/** What a UDP listener received of one stream. */
export interface StreamStats {
  readonly first: number;
  readonly last: number;
  readonly received: number;
  /** Numbers skipped (fewer if some only came late: then `received` tells). */
  readonly missing: number;
  readonly longestSilenceMs: number;
  readonly lastAt: number;
}

/** Sustained traffic. */
export interface Flow {
  /** Names a `udp` flow at its listener. */
  readonly stream: string;
  stats(): Promise<FlowStats>;
  /** May be called again, and gives the same. */
  stop(): Promise<FlowStats>;
}

/** One long-lived process in a namespace that makes and answers traffic. */
export interface Probe {
  readonly pid: number;
  /** Echoes what comes, until `unlisten`. */
  listen(options: ListenOptions): Promise<void>;
  unlisten(options: Pick<ListenOptions, 'protocol' | 'port'>): Promise<void>;
  connect(target: Target): Promise<Attempt>;
  udp(target: Target): Promise<Attempt>;
  ping(target: PingTarget): Promise<Attempt>;
  startFlow(options: FlowOptions): Promise<Flow>;
  /** What the UDP listener on a port received, by stream. */
  streams(port: number): Promise<Readonly<Record<string, StreamStats>>>;
  close(): Promise<void>;
}

/** CLOCK_MONOTONIC in milliseconds. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const DEFAULT_TIMEOUT_MS = 1000;
const DEFAULT_INTERVAL_MS = 5;
const PAYLOAD = 'are you there?';

let flowCount = 0;

/** .mjs in src/, .js where tsup put it. */
const childPath = (): string => {
  const [source, built] = ['./probe-child.mjs', './probe-child.js'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  return existsSync(source!) ? source! : built!;
};

/** Starts a probe in the namespace at `netns`, and in the cgroup if there is one. It ends with this process, however that ends. */
export const startProbe = async (bench: Bench, { netns, cgroup }: { readonly netns: string; readonly cgroup: string | undefined }): Promise<Probe> => {
  const child = spawn('nsenter', [`--net=${netns}`, 'setpriv', '--pdeathsig', 'KILL', process.execPath, childPath()], { stdio: ['pipe', 'pipe', 'inherit'] });
  const calls = new Calls(child);
  await calls.ready;
  bench.adopt(child.pid!);
  if (cgroup !== undefined) writeFileSync(join(cgroup, 'cgroup.procs'), String(child.pid));
  const close = async (): Promise<void> => {
    child.stdin.end();
    await calls.ended;
  };
  bench.onClose(close);
  return probeHandle(child.pid!, calls, close);
};

const probeHandle = (pid: number, calls: Calls, close: () => Promise<void>): Probe => ({
  pid,
  listen: (options) => calls.call('listen', { addresses: ['0.0.0.0', '::'], ...options }),
  unlisten: (options) => calls.call('unlisten', options),
  connect: (target) => calls.call('connect', { timeoutMs: DEFAULT_TIMEOUT_MS, payload: PAYLOAD, ...target }),
  udp: (target) => calls.call('udp', { timeoutMs: DEFAULT_TIMEOUT_MS, payload: PAYLOAD, ...target }),
  ping: (target) => calls.call('ping', { timeoutMs: DEFAULT_TIMEOUT_MS, size: 56, ...target }),
  startFlow: async (options) => {
    const stream = `${process.pid}-${flowCount++}`;
    await calls.call('startFlow', { intervalMs: DEFAULT_INTERVAL_MS, timeoutMs: DEFAULT_TIMEOUT_MS, ...options, flow: stream, stream });
    let last: Promise<FlowStats> | undefined;
    return { stream, stats: () => calls.call('flowStats', { flow: stream }), stop: () => (last ??= calls.call<FlowStats>('stopFlow', { flow: stream })) };
  },
  streams: (port) => calls.call('streams', { port }),
  close,
});

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Requests to the child and its answers. */
class Calls {
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  readonly #child: Child;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #count = 0;
  #end: string | undefined;

  constructor(child: Child) {
    this.#child = child;
    let isReady!: () => void;
    let failed!: (error: Error) => void;
    this.ready = new Promise((resolve, reject) => ([isReady, failed] = [resolve, reject]));
    this.ended = new Promise((resolve) =>
      child.once('close', (code, signal) => {
        this.#end = `the probe ended (${signal ?? `code ${code}`})`;
        const error = new Error(this.#end);
        failed(error);
        this.#waiting.forEach(({ reject }) => reject(error));
        this.#waiting.clear();
        resolve();
      }),
    );
    child.once('error', (error) => failed(new Error(`start probe: ${error.message}`, { cause: error })));
    // A broken pipe is told by `close`.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as { ready?: true; id: number; result: never; error?: string };
      if (message.ready) isReady();
      else this.#answer(message);
    });
  }

  call<T>(method: string, options: object): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(new Error(`probe ${method}: ${this.#end}`));
    const id = this.#count++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin.write(`${JSON.stringify({ ...options, id, method })}\n`);
    });
  }

  #answer(message: { id: number; result: never; error?: string }): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.result);
    else waiting?.reject(new Error(`probe: ${message.error}`));
  }
}
