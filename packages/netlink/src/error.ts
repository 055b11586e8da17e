import { constants } from 'node:os';

import { CiliumError } from '@cilium-ts/core';

/**
 * What went wrong, for programs: the kernel's answer by kind (`kernel` where no kind fits), or
 * - `overrun`: replies were lost because the socket's buffer was full, so the outcome is unknown;
 * - `interrupted`: a dump stayed inconsistent because the table kept changing;
 * - `closed`: the handle was closed while the request was under way;
 * - `not-a-namespace`: the path names no network namespace;
 * - `addon`: the native addon is missing or does not load.
 */
export type NetlinkErrorCode =
  | 'exists'
  | 'not-found'
  | 'permission'
  | 'busy'
  | 'invalid'
  | 'unsupported'
  | 'kernel'
  | 'overrun'
  | 'interrupted'
  | 'closed'
  | 'not-a-namespace'
  | 'addon';

/** What is known about a failure beside its message. */
export interface NetlinkErrorDetails {
  readonly operation: string;
  readonly errno?: number | undefined;
  readonly extendedAck?: string | undefined;
  readonly attributeOffset?: number | undefined;
  readonly missingAttribute?: number | undefined;
  readonly requestIndex?: number | undefined;
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

/** The one error of this package. The message starts with the operation that failed. */
export class NetlinkError extends CiliumError<NetlinkErrorCode> {
  /** The action that failed, for example `add route 10.0.0.0/8`. */
  readonly operation: string;
  /** Positive errno of the kernel's answer. */
  readonly errno: number | undefined;
  /** Name of `errno`, for example `EEXIST`. */
  readonly errnoName: string | undefined;
  /** The kernel's own explanation (NLMSGERR_ATTR_MSG), whole. */
  readonly extendedAck: string | undefined;
  /** Offset in the request of the attribute that the kernel refused (NLMSGERR_ATTR_OFFS). */
  readonly attributeOffset: number | undefined;
  /** Type of the attribute whose absence the kernel refused (NLMSGERR_ATTR_MISS_TYPE; Linux 6.1). */
  readonly missingAttribute: number | undefined;
  /** Position in the batch of the request that failed. */
  readonly requestIndex: number | undefined;
  readonly path: string | undefined;

  constructor(code: NetlinkErrorCode, reason: string, details: NetlinkErrorDetails) {
    super(code, `${details.operation}: ${reason}`, { cause: details.cause });
    this.operation = details.operation;
    this.errno = details.errno;
    this.errnoName = details.errno === undefined ? undefined : errnoName(details.errno);
    this.extendedAck = details.extendedAck;
    this.attributeOffset = details.attributeOffset;
    this.missingAttribute = details.missingAttribute;
    this.requestIndex = details.requestIndex;
    this.path = details.path;
  }
}

const CODES: Readonly<Record<string, NetlinkErrorCode>> = {
  EEXIST: 'exists',
  ENOENT: 'not-found',
  ESRCH: 'not-found',
  ENODEV: 'not-found',
  EADDRNOTAVAIL: 'not-found',
  EPERM: 'permission',
  EACCES: 'permission',
  EBUSY: 'busy',
  EINVAL: 'invalid',
  ERANGE: 'invalid',
  EOPNOTSUPP: 'unsupported',
  ENOBUFS: 'overrun',
};

/** Linux's ENOTSUPP (include/linux/errno.h): kernel-internal, yet some netlink families answer with it. */
const ENOTSUPP = 524;

const errnoName = (errno: number): string | undefined => {
  const found = Object.entries(constants.errno).find(([name, number]) => number === errno && name !== 'EWOULDBLOCK' && name !== 'ENOTSUP');
  return found?.[0] ?? (errno === ENOTSUPP ? 'ENOTSUPP' : undefined);
};

/** An error from the kernel's errno; the extended ack, where given, is in the message too. */
export const errnoError = (errno: number, details: NetlinkErrorDetails): NetlinkError => {
  const name = errnoName(errno);
  const code = errno === ENOTSUPP ? 'unsupported' : (CODES[name ?? ''] ?? 'kernel');
  const ack = details.extendedAck === undefined ? '' : `: ${details.extendedAck}`;
  return new NetlinkError(code, `${name ?? `errno ${errno}`}${ack}`, { ...details, errno });
};

/** Turns what the addon, the transport or `fs` threw into a NetlinkError of this operation. */
export const systemError = (error: unknown, details: NetlinkErrorDetails): NetlinkError => {
  if (error instanceof NetlinkError) return error;
  const errno = (error as { errno?: unknown }).errno;
  if (typeof errno === 'number') return errnoError(Math.abs(errno), { ...details, cause: error });
  return new NetlinkError('kernel', error instanceof Error ? error.message : String(error), { ...details, cause: error });
};
