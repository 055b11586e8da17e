import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../error.ts';
import { processStart } from './process-identity.ts';

/** A lock held. */
export interface Lock {
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly start: string;
}

const readHolder = (path: string): Holder | undefined => {
  try {
    const [pid, start] = readFileSync(path, 'utf8').trim().split(' ');
    return pid !== undefined && start !== undefined ? { pid: Number(pid), start } : undefined;
  } catch {
    return undefined;
  }
};

const lives = (holder: Holder | undefined): boolean => holder !== undefined && processStart(holder.pid) === holder.start;

const RETRIES = 20;

/**
 * Takes the state folder for this process by `agent.pid`, made if needed. What a killed agent left is taken over.
 * Throws AgentError `locked` naming the process that has it.
 */
export const lockStateFolder = (folder: string): Lock => {
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const path = join(folder, 'agent.pid');
  const mine: Holder = { pid: process.pid, start: processStart(process.pid) ?? '0' };
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${mine.pid} ${mine.start}\n`, { mode: 0o644 });
  try {
    for (let attempt = 0; attempt < RETRIES; attempt++) {
      try {
        // link(2) fails if the name is taken: of two agents that start at once one gets it.
        linkSync(draft, path);
        return { release: () => { if (readHolder(path)?.start === mine.start) rmSync(path, { force: true }); } };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new AgentError('state', `lock state folder ${folder}: ${(error as Error).message}`, { cause: error });
      }
      const holder = readHolder(path);
      if (lives(holder)) throw new AgentError('locked', `lock state folder ${folder}: the agent with pid ${holder!.pid} is using it. Stop that one, or give this one a --state-dir of its own.`);
      removeStale(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new AgentError('locked', `lock state folder ${folder}: other agents keep taking ${path}`);
};

/** Removes what a dead agent left. Between looking and removing another may have come: then its file is put back. */
const removeStale = (path: string): void => {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (lives(readHolder(aside))) {
    try {
      linkSync(aside, path);
    } catch {
      // Yet another one has it now, and the next look will say so.
    }
  }
  rmSync(aside, { force: true });
};
