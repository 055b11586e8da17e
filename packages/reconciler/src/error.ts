import { CiliumError } from '@cilium-ts/core';

/** - `closed`: the reconciler was closed while, or before, something was awaited of it */
export type ReconcilerErrorCode = 'closed';

/** What this package throws, misuse (TypeError, RangeError) aside. A target's failures are health, not exceptions. */
export class ReconcilerError extends CiliumError<ReconcilerErrorCode> {}
