import type { NumericIdentity } from '@cilium-ts/identity';
import type { PolicyRow } from '../compile/row.ts';
import type { PolicyModelError } from '../error.ts';
import type { RuleSet } from '../model/rule-set.ts';

/** What changed in one direction of a subject's policy. */
export interface DirectionDelta {
  /** Whether anything can be denied here now. */
  readonly enforced: boolean;
  /** The row of every identity without one of its own, where it is another one now. */
  readonly any?: PolicyRow;
  /** Identities whose own row is new or another one now. */
  readonly upserted: ReadonlyMap<NumericIdentity, PolicyRow>;
  /** Identities that have no row of their own any more. */
  readonly removed: ReadonlySet<NumericIdentity>;
}

/** What changed in the policy of a subject. A direction is absent where nothing changed in it. */
export type SubjectDelta =
  | { readonly kind: 'changed'; readonly ingress?: DirectionDelta; readonly egress?: DirectionDelta }
  /** The policy can not be compiled; what was in force before must not be taken for it. */
  | { readonly kind: 'failed'; readonly error: PolicyModelError }
  /** The subject was removed. */
  | { readonly kind: 'removed' };

/** What changed since the last delta. Applied one after the other, deltas give what a fresh compile gives. */
export interface PolicyDelta {
  /** Of the repository. */
  readonly revision: number;
  /**
   * By subject; those not here have the policy that they had. After a failure, and for a subject that is new, a delta
   * holds the whole policy, beginning with nothing.
   */
  readonly subjects: ReadonlyMap<NumericIdentity, SubjectDelta>;
  /** Rule sets that some policy uses now and none did, and those that none uses any more. */
  readonly ruleSets: { readonly appeared: readonly RuleSet[]; readonly gone: readonly RuleSet[] };
}
