import { CiliumError } from '@cilium-ts/core';

/**
 * - `bad-label`: text or parts that make no label
 * - `bad-selector`: a label selector that cannot be evaluated
 * - `bad-label-filter`: a `--labels` pattern or label prefix file that cannot be used
 * - `bad-fixed-identity`: a fixed identity mapping outside of 128–255, malformed or contradictory
 * - `exhausted`: every number of the range is in use or was released only now
 * - `store-read`, `store-corrupt`, `store-write`: the allocator's store failed or holds what it did not write
 */
export type IdentityErrorCode =
  | 'bad-label'
  | 'bad-selector'
  | 'bad-label-filter'
  | 'bad-fixed-identity'
  | 'exhausted'
  | 'store-read'
  | 'store-corrupt'
  | 'store-write';

/** What this package throws, misuse (TypeError, RangeError) aside. */
export class IdentityError extends CiliumError<IdentityErrorCode> {}
