import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHolder, parseHolder, takeName } from './holder-lock.ts';
import type { Holder, Lock } from './holder-lock.ts';

const read = (path: string): Holder | undefined => {
  try {
    return parseHolder(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};

const create = (path: string, holder: Holder): void => {
  const draft = `${path}.${holder.pid}`;
  writeFileSync(draft, `${formatHolder(holder)}\n`, { mode: 0o644 });
  try {
    // link(2) fails if the name is taken: of two agents that start at once one gets it.
    linkSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
};

/**
 * Takes the state folder for this process by `agent.pid`, made if needed. What a killed agent left is taken over.
 * Throws AgentError `locked` naming the process that has it.
 */
export const lockStateFolder = (folder: string): Lock => {
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  return takeName({ path: join(folder, 'agent.pid'), what: `state folder ${folder}`, setting: '--state-dir', create, read });
};
