import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, errorMessage } from '@cilium-ts/core';
import { attachTc, attachTcx, createClsact, detachTc, openPinnedLink, probe, queryTc, removePin, type Direction, type Program } from 'libbpf-napi';
import { DatapathError } from '../error.ts';
import { filterSlot } from '../kernel/attach.ts';

/** How programs are attached to a device: by a tcx link (Linux 6.6), or as a filter of the clsact qdisc. */
export type AttachMode = 'tcx' | 'clsact';

/** What is attached in which direction. */
export interface NodeProgramPair {
  readonly fromNetdev: Program;
  readonly toNetdev: Program;
}

const LINKS = 'links';
const PREFIX = 'netdev';
/** What leaves comes first: a packet is translated on its way in only where its answer will be. */
const DIRECTIONS = ['egress', 'ingress'] as const satisfies readonly Direction[];

const linkPath = (bpfRoot: string, direction: Direction, ifindex: number): string => join(bpfRoot, LINKS, `${PREFIX}_${direction}_${ifindex}`);

/**
 * Attaches both programs to a device of the caller's network namespace. Those of a previous run are replaced in place:
 * no packet meets neither. Programs of others stay.
 * @throws DatapathError `attach-failed` with the kernel's error as cause; what was newly attached is taken off again
 */
export function attachNodePrograms(bpfRoot: string, ifindex: number, programs: NodeProgramPair, wanted?: AttachMode): AttachMode {
  const mode = wanted ?? (probe({ kind: 'tcx' }).supported ? 'tcx' : 'clsact');
  try {
    // what a previous run attached the other way would translate a second time
    for (const direction of DIRECTIONS) void (mode === 'clsact' ? detachLink(linkPath(bpfRoot, direction, ifindex)) : detachFilter(ifindex, direction));
    if (mode === 'clsact') createClsact(ifindex);
    else mkdirSync(join(bpfRoot, LINKS), { recursive: true, mode: 0o700 });
    for (const direction of DIRECTIONS) {
      const program = direction === 'egress' ? programs.toNetdev : programs.fromNetdev;
      if (mode === 'clsact') attachTc({ ...filterSlot(ifindex, direction), program, replace: true });
      else attachLink(bpfRoot, { direction, ifindex, program });
    }
    return mode;
  } catch (cause) {
    throw new DatapathError('attach-failed', `attach programs to device ${ifindex} (${mode}): ${errorMessage(cause)}`, { cause });
  }
}

function attachLink(bpfRoot: string, place: { readonly direction: Direction; readonly ifindex: number; readonly program: Program }): void {
  const path = linkPath(bpfRoot, place.direction, place.ifindex);
  if (existsSync(path)) {
    using before = openPinnedLink(path);
    // 0: its device is gone, and the number was given to another
    if (before.info.ifindex === place.ifindex) return before.update(place.program);
    removePin(path);
  }
  using link = attachTcx(place);
  removePin(`${path}-new`);
  link.pin(`${path}-new`);
  renameSync(`${path}-new`, path);
}

/** Whether a device runs both programs, these very ones: somebody else may have taken one off. */
export function hasNodePrograms(bpfRoot: string, ifindex: number, programs: { readonly fromNetdev: Program; readonly toNetdev: Program }): boolean {
  return DIRECTIONS.every((direction) => {
    const { id } = (direction === 'egress' ? programs.toNetdev : programs.fromNetdev).info;
    const path = linkPath(bpfRoot, direction, ifindex);
    if (!existsSync(path)) return hasFilter(ifindex, direction, id);
    using link = openPinnedLink(path);
    return link.info.ifindex === ifindex && link.info.programId === id;
  });
}

function hasFilter(ifindex: number, direction: Direction, id: number): boolean {
  try {
    return queryTc(filterSlot(ifindex, direction))?.programId === id;
  } catch (cause) {
    if (errorCode(cause) === 'ENODEV') return false;
    throw cause;
  }
}

/** Takes both programs off a device, however they were attached; true if there were any. A device that is gone has none. */
export function detachNodePrograms(bpfRoot: string, ifindex: number): boolean {
  try {
    // what comes in first, so that nothing is translated whose answer will not be
    const links = DIRECTIONS.toReversed().map((direction) => detachLink(linkPath(bpfRoot, direction, ifindex)));
    const filters = DIRECTIONS.toReversed().map((direction) => detachFilter(ifindex, direction));
    return [...links, ...filters].includes(true);
  } catch (cause) {
    throw new DatapathError('attach-failed', `detach programs from device ${ifindex}: ${errorMessage(cause)}`, { cause });
  }
}

function detachLink(path: string): boolean {
  if (!existsSync(path)) return false;
  using link = openPinnedLink(path);
  const { ifindex } = link.info;
  if (ifindex !== 0) link.detach();
  return removePin(path) && ifindex !== 0;
}

function detachFilter(ifindex: number, direction: Direction): boolean {
  try {
    return detachTc(filterSlot(ifindex, direction));
  } catch (cause) {
    if (errorCode(cause) === 'ENODEV') return false;
    throw cause;
  }
}

/** Devices that links of this or a previous run hold on to, gone ones included. */
export function linkedDevices(bpfRoot: string): number[] {
  const folder = join(bpfRoot, LINKS);
  if (!existsSync(folder)) return [];
  const matches = readdirSync(folder).map((name) => /^netdev_ingress_(\d+)$/.exec(name)?.[1]);
  return matches.filter((text) => text !== undefined).map(Number);
}
