import type { AgentClient } from '@cilium-ts/agent-api';
import { createProgram } from '../src/program.ts';
import { CliError, reportFailure } from '../src/failure.ts';
import type { Io } from '../src/io.ts';

/** What one run of the command line printed, and how it ended. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a run finds around it. */
export interface World {
  readonly agent?: Partial<AgentClient>;
  readonly files?: Readonly<Record<string, string>>;
  readonly runAgent?: Io['runAgent'];
  readonly connect?: Io['connect'];
}

/** Runs `cilium ARGS…` in a world of the test's own. */
export async function cilium(args: readonly string[], world: World = {}): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  let code = 0;
  const files = world.files ?? {};
  const io: Io = {
    print: (line) => out.push(line),
    warn: (line) => err.push(line),
    colours: false,
    connect: world.connect ?? (() => ({ close: async () => {}, ...world.agent }) as AgentClient),
    read: (path) => {
      const text = files[path];
      if (text === undefined) throw new CliError(`read ${path}: no such file`);
      return text;
    },
    policyFiles: (path) => (path in files ? [path] : Object.keys(files).filter((file) => file.startsWith(`${path}/`)).sort()),
    runAgent: world.runAgent ?? (async () => 0),
    interrupted: new AbortController().signal,
    defaultSocketPath: '/run/nowhere.sock',
    exit: (value) => {
      code = value;
    },
  };
  try {
    await createProgram(io).parseAsync(['node', 'cilium', ...args]);
  } catch (error) {
    code = reportFailure(io, error);
  }
  return { code, out: out.join('\n'), err: err.join('\n') };
}
