import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isBpffs, openPinnedLink, removePin } from 'libbpf-napi';
import { DatapathError } from '../error.ts';
import { detachPrograms } from './attach.ts';

/** A folder in a bpffs that this package mounted itself, so that cleanup knows to unmount it. */
export const OWN_MOUNT = 'mounted_by_datapath';

/** What to remove. */
export interface CleanupOptions {
  readonly bpfRoot: string;
  /** Devices of the caller's network namespace to take the programs off, before the pins go. */
  readonly ifindexes?: readonly number[];
}

/** What was removed. */
export interface CleanupReport {
  readonly pins: readonly string[];
  readonly ifindexes: readonly number[];
}

/**
 * Removes everything that openDatapath and attach left in the kernel: filters of the given devices, and all pins
 * under `bpfRoot`, the folder included; a file system that openDatapath mounted there is unmounted. Idempotent.
 * @throws DatapathError `not-bpffs` when the folder is not on a bpffs: then it is not this package's to empty
 */
export function cleanupDatapath(options: CleanupOptions): CleanupReport {
  const ifindexes = (options.ifindexes ?? []).filter((ifindex) => detachPrograms(ifindex));
  if (!existsSync(options.bpfRoot)) return { pins: [], ifindexes };
  if (!isBpffs(options.bpfRoot)) throw new DatapathError('not-bpffs', `remove pins: ${options.bpfRoot} is not on a BPF file system`);
  const ownMount = existsSync(join(options.bpfRoot, OWN_MOUNT));
  detachLinks(join(options.bpfRoot, 'links'));
  const pins = removeFolder(options.bpfRoot);
  if (ownMount) unmount(options.bpfRoot);
  return { pins, ifindexes };
}

/** The kernel ends an attachment some time after its last pin went; whoever cleans up wants it ended now. */
function detachLinks(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    using link = openPinnedLink(join(folder, name));
    link.detach();
  }
}

function unmount(folder: string): void {
  const { status, stderr } = spawnSync('umount', [folder], { encoding: 'utf8' });
  if (status !== 0) throw new DatapathError('not-bpffs', `unmount the BPF file system at ${folder}: ${stderr.trim()}`);
  rmdirSync(folder);
}

/** Removes the pins of a folder and of its sub-folders, and the folder unless it is the mount point itself. */
function removeFolder(folder: string): string[] {
  const pins: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    // The kernel's own files in a mount's root (maps.debug, progs.debug); a pin's name cannot have a dot.
    if (entry.name.includes('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) pins.push(...removeFolder(path));
    else if (removePin(path)) pins.push(path);
  }
  if (statSync(folder).dev === statSync(join(folder, '..')).dev) rmdirSync(folder);
  return pins;
}
