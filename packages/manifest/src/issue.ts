import type { SourceLocation } from './location.ts';

/** Stable name of a kind of issue, for programs. */
export type ManifestIssueCode =
  /** The text is not YAML or JSON. */
  | 'malformed'
  /** An object of a kind or API version that the reader does not read. */
  | 'unknown-kind'
  /** A field that the object does not have. */
  | 'unknown-field'
  /** A field that must be there. */
  | 'missing-field'
  /** A value of the wrong type. */
  | 'wrong-type'
  /** A value of the right type that makes no sense. */
  | 'invalid-value'
  /** A field that the object may have, and that cannot be put into force: refused rather than ignored. */
  | 'unenforceable'
  /** The same object twice in one text. */
  | 'duplicate'
  /** Accepted, but most likely not what was meant. Always of severity `warning`. */
  | 'suspicious';

/** One thing wrong with a file. An object with an issue of severity `error` is not read. */
export interface Issue<Code extends string = ManifestIssueCode> extends SourceLocation {
  readonly severity: 'error' | 'warning';
  readonly code: Code;
  /** Key (`kind/namespace/name`) of the object that holds the field, when it could be read. */
  readonly resource?: string;
  /** What is wrong, as one sentence without the place. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** The issue as one line: `shop.yaml:12:5: error: Service/shop/web spec.ports[0].port: … (remedy)`. */
export function formatIssue(issue: Issue<string>): string {
  const place = issue.file === undefined ? `line ${issue.line}:${issue.column}` : `${issue.file}:${issue.line}:${issue.column}`;
  const resource = issue.resource === undefined ? '' : ` ${issue.resource}`;
  const field = issue.field === '' ? '' : ` ${issue.field}:`;
  return `${place}: ${issue.severity}:${resource}${field} ${issue.message} (${issue.remedy})`;
}
