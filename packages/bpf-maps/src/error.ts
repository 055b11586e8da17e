import { CiliumError } from '@cilium-ts/core';

/**
 * The kernel's names: `E2BIG` full, or index out of range; `ENOSPC` an LPM trie is full; `EEXIST`, `ENOENT` as update
 * flags say; `EINVAL` not possible with this type; `HANDLE_CLOSED` used after close().
 */
export type BpfMapsErrorCode = 'E2BIG' | 'ENOSPC' | 'EEXIST' | 'ENOENT' | 'EINVAL' | 'HANDLE_CLOSED';

/** What memory maps throw, misuse (TypeError, RangeError) aside; kernel maps throw errors with the same codes. */
export class BpfMapsError extends CiliumError<BpfMapsErrorCode> {}
