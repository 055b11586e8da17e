import type { Issue, ManifestIssueCode } from '@cilium-ts/manifest';

/** Stable name of a kind of issue, for programs. */
export type PolicyIssueCode = ManifestIssueCode;

/** One thing wrong with a policy file. A resource with an issue of severity `error` is not imported. */
export type PolicyIssue = Issue<PolicyIssueCode>;
