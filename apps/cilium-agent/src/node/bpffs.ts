import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensureBpffs, isBpffs } from 'libbpf-napi';
import { AgentError } from '../error.ts';
import type { HostJournal } from './host-journal.ts';

const isEmpty = (folder: string): boolean => {
  try {
    return readdirSync(folder).length === 0;
  } catch {
    return true;
  }
};

/** Mounts a BPF file system on the parent of `bpfRoot` where there is none, and writes down that it did. */
export const ensureBpfRoot = (bpfRoot: string, journal: HostJournal): void => {
  const parent = dirname(bpfRoot);
  if (isBpffs(parent) || isBpffs(bpfRoot)) return;
  // A mount would hide what is in the folder.
  if (!isEmpty(parent)) throw new AgentError('config', `mount a BPF file system on ${parent} for --bpf-root ${bpfRoot}: the folder is not empty and not on bpffs. Name a folder on a mounted bpffs, or one whose parent is empty.`);
  journal.update({ bpffsMount: parent });
  try {
    ensureBpffs(parent);
  } catch (cause) {
    throw new AgentError('kernel-feature', `mount a BPF file system on ${parent}: ${(cause as Error).message} (the kernel needs CONFIG_BPF_SYSCALL)`, { cause });
  }
};
