import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { formatHolder, parseHolder, takeName } from './holder-lock.ts';
import type { Holder, Lock } from './holder-lock.ts';

const read = (path: string): Holder | undefined => {
  try {
    return parseHolder(readlinkSync(path));
  } catch {
    return undefined;
  }
};

/**
 * Takes the folder of maps and programs for this process, made if needed: two agents would take each other's services
 * and endpoints away. bpffs holds no files, but symbolic links; `agent` leads to nothing and says who has the folder.
 * Throws AgentError `locked` naming the process.
 */
export const lockBpfRoot = (folder: string): Lock => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return takeName({ path: join(folder, 'agent'), what: `BPF folder ${folder}`, setting: '--bpf-root', create: (path, holder) => { symlinkSync(formatHolder(holder), path); }, read });
};
