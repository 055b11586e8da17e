import { CiliumError } from '@cilium-ts/core';

/** What can go wrong in this package other than bad policy text, which is reported as {@link PolicyIssue} values. */
export type PolicyModelErrorCode =
  /** A policy needs more boundaries in one row than the datapath can search ({@link MAX_ROW_BOUNDARIES}). */
  | 'row-too-large'
  /** Saved DNS names that cannot be read. */
  | 'bad-snapshot'
  /** A peer of a question that is not known: a number, a service, something that is no address. */
  | 'unknown-peer'
  /** Two rules send the same peers and port to different proxies, or want different TLS or authentication there. */
  | 'l7-conflict';

/** The one error class of this package. */
export class PolicyModelError extends CiliumError<PolicyModelErrorCode> {}
