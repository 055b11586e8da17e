import { AgentError } from '../error.ts';
import { linkSync, renameSync, rmSync } from 'node:fs';
import { processStart } from './process-identity.ts';

/** A lock held. */
export interface Lock {
  release(): void;
}

/** A process, for ever: numbers are given again. */
export interface Holder {
  readonly pid: number;
  readonly start: string;
}

/** A name in a file system that says who holds something. */
export interface HolderName {
  readonly path: string;
  /** For errors: what is locked. */
  readonly what: string;
  /** For errors: the setting that names another. */
  readonly setting: string;
  /** Makes the name, whole at once; throws EEXIST where it is taken. */
  create(path: string, holder: Holder): void;
  read(path: string): Holder | undefined;
}

/** Text of a holder. */
export const formatHolder = ({ pid, start }: Holder): string => `${pid} ${start}`;

/** A holder of its text; undefined if it is none. */
export const parseHolder = (text: string): Holder | undefined => {
  const [pid, start] = text.trim().split(' ');
  return pid !== undefined && start !== undefined ? { pid: Number(pid), start } : undefined;
};

const lives = (holder: Holder | undefined): boolean => holder !== undefined && processStart(holder.pid) === holder.start;

const RETRIES = 20;

/** Takes a name for this process; what a killed agent left is taken over. Throws AgentError `locked` naming the process that has it. */
export const takeName = (name: HolderName): Lock => {
  const { path, what, setting } = name;
  const mine: Holder = { pid: process.pid, start: processStart(process.pid) ?? '0' };
  for (let attempt = 0; attempt < RETRIES; attempt++) {
    try {
      name.create(path, mine);
      return { release: () => { if (name.read(path)?.start === mine.start) rmSync(path, { force: true }); } };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new AgentError('state', `lock ${what}: ${(error as Error).message}`, { cause: error });
    }
    const holder = name.read(path);
    if (lives(holder)) throw new AgentError('locked', `lock ${what}: the agent with pid ${holder!.pid} is using it. Stop that one, or give this one a ${setting} of its own.`);
    removeStale(name);
  }
  throw new AgentError('locked', `lock ${what}: other agents keep taking ${path}`);
};

/** Removes what a dead agent left. Between looking and removing another may have come: then its name is put back. */
const removeStale = ({ path, read }: HolderName): void => {
  // Without a dot: bpffs takes none.
  const aside = `${path}_stale_${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (lives(read(aside))) {
    try {
      linkSync(aside, path);
    } catch {
      // Yet another one has it now, and the next look will say so.
    }
  }
  rmSync(aside, { force: true });
};
