import type { Field, Issue, ManifestIssueCode } from '@cilium-ts/manifest';

/** Stable name of a kind of issue, for programs. */
export type PolicyIssueCode =
  | ManifestIssueCode
  /** Accepted, and not enforced by Cilium unless a feature is switched on: authentication. Always of severity `warning`. */
  | 'unenforced';

/** One thing wrong with a policy file. A resource with an issue of severity `error` is not imported. */
export type PolicyIssue = Issue<PolicyIssueCode>;

/** A field of the policy being read. */
export type PolicyField = Field<PolicyIssueCode>;
