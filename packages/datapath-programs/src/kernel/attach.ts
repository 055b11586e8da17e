import { errorCode } from '@cilium-ts/core';
import { attachTc, createClsact, detachTc, queryTc, type Program, type TcSlot } from 'libbpf-napi';
import type { ForeignFilter } from '../datapath.ts';
import { DatapathError } from '../error.ts';

/** Where this package's filters lie, so that they are told from those of others: "CI" in the handle. */
const PLACE = { priority: 1, handle: 0x4349 } as const;
/** What other tools that attach one filter use: iproute2 and libbpf begin at handle 1, iproute2 at priority 49,152. */
const USUAL_PLACES = [
  { priority: 1, handle: 1 },
  { priority: 49_152, handle: 1 },
] as const;
const DIRECTIONS = ['egress', 'ingress'] as const;

/** The place of this package's filter in one direction of a device. */
export function filterSlot(ifindex: number, direction: 'ingress' | 'egress'): TcSlot {
  return { ifindex, direction, ...PLACE };
}

/**
 * Attaches both programs to the host end of a veth pair. The one towards the pod (egress) comes first: no packet
 * then reaches a pod unchecked whose own packets are already answered.
 * @throws DatapathError `attach-failed` with libbpf's error as cause; what was attached is taken off again
 */
export function attachPrograms(ifindex: number, programs: { readonly fromContainer: Program; readonly toContainer: Program }): ForeignFilter[] {
  try {
    createClsact(ifindex);
    attachTc({ ...filterSlot(ifindex, 'egress'), program: programs.toContainer, replace: true });
    attachTc({ ...filterSlot(ifindex, 'ingress'), program: programs.fromContainer, replace: true });
  } catch (cause) {
    throw new DatapathError('attach-failed', `attach programs to device ${ifindex}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  return foreignFilters(ifindex);
}

/** Takes both programs off a device; true if there were any. A device that is gone has none. */
export function detachPrograms(ifindex: number): boolean {
  try {
    return DIRECTIONS.map((direction) => detachTc(filterSlot(ifindex, direction))).includes(true);
  } catch (cause) {
    if (errorCode(cause) === 'ENODEV') return false;
    throw new DatapathError('attach-failed', `detach programs from device ${ifindex}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Filters of others in the places that common tools use. They are left alone. */
function foreignFilters(ifindex: number): ForeignFilter[] {
  return DIRECTIONS.flatMap((direction) =>
    USUAL_PLACES.flatMap((place) => {
      const filter = queryTc({ ifindex, direction, ...place });
      return filter === undefined ? [] : [{ direction, ...filter }];
    }),
  );
}
