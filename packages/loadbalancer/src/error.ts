import { CiliumError } from '@cilium-ts/core';

/** What can go wrong in this package other than bad text and conflicts, which are reported as values. */
export type LoadBalancerErrorCode =
  /** Ids were to be restored after services had been given theirs. */
  'restore-too-late';

/** The one error class of this package. */
export class LoadBalancerError extends CiliumError<LoadBalancerErrorCode> {}
