import type { Issue, ManifestIssueCode } from '@cilium-ts/manifest';

/** Stable name of a kind of issue, for programs. */
export type ServiceIssueCode = ManifestIssueCode;

/** One thing wrong with a file of services. An object with an issue of severity `error` is not read. */
export type ServiceIssue = Issue<ServiceIssueCode>;
