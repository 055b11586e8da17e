import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, errorMessage } from '@cilium-ts/core';
import { attachCgroup, openPinnedLink, removePin, type Link, type Program } from 'libbpf-napi';
import { DatapathError } from '../error.ts';
import { SOCKET_HOOKS, type SocketProgramName } from './programs.ts';

/** Where the links of socket programs are pinned: they outlive the process, as the programs of devices do. */
export const linkFolder = (bpfRoot: string): string => join(bpfRoot, 'links');

/**
 * Attaches all programs of sockets to a cgroup. Those of a previous run are replaced in place, one by one and without a
 * moment in which a system call meets neither; links to another cgroup are given up once the new ones are there.
 * @throws DatapathError `attach-failed` with libbpf's error as cause
 */
export function attachSockets(bpfRoot: string, cgroup: string, programs: Readonly<Record<SocketProgramName, Program>>): void {
  mkdirSync(linkFolder(bpfRoot), { recursive: true, mode: 0o700 });
  for (const [name, type] of SOCKET_HOOKS) {
    const path = join(linkFolder(bpfRoot), name);
    try {
      using before = existsSync(path) ? openPinnedLink(path) : undefined;
      if (before !== undefined && replaceProgram(before, cgroup, programs[name])) continue;
      using link = attachCgroup({ cgroup, type, program: programs[name] });
      replacePin(path, link);
      before?.detach();
    } catch (cause) {
      throw new DatapathError('attach-failed', `attach ${name} to cgroup ${cgroup}: ${errorMessage(cause)}`, { cause });
    }
  }
}

/** Whether a cgroup has all programs of sockets, these very ones: somebody else may have taken one off. */
export function hasSockets(bpfRoot: string, cgroup: string, programs: Readonly<Record<SocketProgramName, Program>>): boolean {
  return SOCKET_HOOKS.every(([name]) => {
    const path = join(linkFolder(bpfRoot), name);
    if (!existsSync(path)) return false;
    using link = openPinnedLink(path);
    return link.info.cgroupId === cgroupId(cgroup) && link.info.programId === programs[name].info.id;
  });
}

/** Takes the programs of sockets off their cgroup, what a socket says before what it hears; true if there were any. */
export function detachSockets(bpfRoot: string): boolean {
  return SOCKET_HOOKS.toReversed()
    .map(([name]) => detach(join(linkFolder(bpfRoot), name)))
    .includes(true);
}

function detach(path: string): boolean {
  if (!existsSync(path)) return false;
  using link = openPinnedLink(path);
  link.detach();
  return removePin(path);
}

/** Whether a link of a previous run holds on to this very cgroup, and now has the new program. */
function replaceProgram(link: Link, cgroup: string, program: Program): boolean {
  if (link.info.cgroupId !== cgroupId(cgroup)) return false;
  try {
    link.update(program);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOLINK') return false; // the cgroup went, and its number was given away again
    throw error;
  }
}

/** The number of a cgroup is its folder's inode. */
function cgroupId(cgroup: string): bigint {
  return statSync(cgroup, { bigint: true }).ino;
}

function replacePin(path: string, link: Link): void {
  removePin(`${path}-new`);
  link.pin(`${path}-new`);
  renameSync(`${path}-new`, path);
}
