import { checkChoice, checkInteger, U32_MAX } from './arguments.ts';
import { failure } from './error.ts';
import { check, unwrap } from './handle.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';

/** `ingress`: packets that the device delivers to this machine; `egress`: packets that leave by the device. */
export type Direction = 'ingress' | 'egress';
export const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/** A place for a filter on a device. Filters run in the order of their priority, lowest first. */
export interface TcSlot {
  readonly ifindex: number;
  readonly direction: Direction;
  /** Tells filters of one priority apart. Default 1. */
  readonly handle?: number;
  /** 1 to 65535. Default 1. */
  readonly priority?: number;
}

export interface TcAttachment extends TcSlot {
  /** A program of type sched_cls: section "tc". */
  readonly program: Program;
  /** Replace what is in the slot, atomically, rather than fail with `EEXIST`. */
  readonly replace?: boolean;
}

/** A filter in place. */
export interface TcFilter {
  readonly programId: number;
  readonly handle: number;
  readonly priority: number;
}

const ENOENT = 2, EEXIST = 17, EINVAL = 22;

const checkSlot = (slot: TcSlot): { ifindex: number; egress: boolean; handle: number; priority: number; where: string } => {
  const ifindex = checkInteger(slot.ifindex, 'ifindex', 1, 0x7fff_ffff);
  const egress = checkChoice(slot.direction, 'direction', DIRECTIONS) === 'egress';
  const handle = checkInteger(slot.handle ?? 1, 'handle', 1, U32_MAX);
  const priority = checkInteger(slot.priority ?? 1, 'priority', 1, 65535);
  return { ifindex, egress, handle, priority, where: `(${slot.direction} of device ${ifindex}, priority ${priority}, handle ${handle})` };
};

/**
 * Gives a device of the calling thread's network namespace the clsact qdisc that filters hang on.
 * @returns false when it had one already
 */
export const createClsact = (ifindex: number): boolean => {
  const status = native().clsactCreate(checkInteger(ifindex, 'ifindex', 1, 0x7fff_ffff));
  if (status === -EEXIST) return native().takeLog(), false;
  check(status, `creating clsact on device ${ifindex}`, { syscall: 'RTM_NEWQDISC' });
  return true;
};

/** Removes clsact with all its filters, also those of others. @returns false when there was none */
export const destroyClsact = (ifindex: number): boolean => {
  const status = native().clsactDestroy(checkInteger(ifindex, 'ifindex', 1, 0x7fff_ffff));
  if (status === -ENOENT || status === -EINVAL) return native().takeLog(), false;
  check(status, `removing clsact from device ${ifindex}`, { syscall: 'RTM_DELQDISC' });
  return true;
};

/**
 * Attaches a program as a direct-action filter of clsact (create it first). With `replace` the change is atomic: each
 * packet sees the old program or the new one. The filter stays until it is detached or the device goes.
 * @throws LibbpfError `EEXIST` when the slot is taken, `ENODEV` without such a device, `EINVAL` or `ENOENT` without clsact
 */
export const attachTc = (attachment: TcAttachment): TcFilter => {
  const { ifindex, egress, handle, priority, where } = checkSlot(attachment);
  const action = `attaching a tc filter ${where}`;
  const result = native().tcAttach(attachment.program.handle(action), ifindex, egress, handle, priority, attachment.replace ?? false);
  const filter = unwrap(result, action, { syscall: 'RTM_NEWTFILTER' });
  return { programId: filter[0], handle: filter[1], priority: filter[2] };
};

/** Removes a filter. @returns false when there was none */
export const detachTc = (slot: TcSlot): boolean => {
  const { ifindex, egress, handle, priority, where } = checkSlot(slot);
  const status = native().tcDetach(ifindex, egress, handle, priority);
  if (status === -ENOENT || status === -EINVAL) return native().takeLog(), false;
  check(status, `detaching the tc filter ${where}`, { syscall: 'RTM_DELTFILTER' });
  return true;
};

/** What is in a slot, or `undefined`. @throws LibbpfError `ENODEV` when there is no such device */
export const queryTc = (slot: TcSlot): TcFilter | undefined => {
  const { ifindex, egress, handle, priority, where } = checkSlot(slot);
  const result = native().tcQuery(ifindex, egress, handle, priority);
  if (result === -ENOENT || result === -EINVAL) return native().takeLog(), undefined;
  if (typeof result === 'number') throw failure(result, `looking at the tc filter ${where}`, { syscall: 'RTM_GETTFILTER', log: native().takeLog() });
  return { programId: result[0], handle: result[1], priority: result[2] };
};
