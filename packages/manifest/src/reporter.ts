import type { Issue, ManifestIssueCode } from './issue.ts';
import type { FieldPath, SourceLocation } from './location.ts';
import { formatFieldPath } from './location.ts';
import type { Locator } from './locator.ts';

/** What a finding says; place and resource are added by the reporter. */
export interface Finding<Code extends string = ManifestIssueCode> {
  readonly code: Code;
  readonly message: string;
  readonly remedy: string;
  readonly severity?: 'error' | 'warning';
  /** Whether to point at the field's name or at its value (the default). */
  readonly point?: 'key' | 'value';
  /** Where it is, from the field that it is reported at. Default: that field. */
  readonly path?: FieldPath;
}

/** A field of the object being read: where it stands, and what is wrong with it. */
export interface Field<Code extends string = ManifestIssueCode> {
  readonly at: SourceLocation;
  /** Whether an issue of severity `error` was reported for any field of the object. */
  readonly failed: boolean;
  child(...path: FieldPath): Field<Code>;
  report(finding: Finding<Code>): void;
}

/** Collects the issues of one object. */
export interface Reporter<Code extends string = ManifestIssueCode> {
  readonly issues: readonly Issue<Code>[];
  /** Whether an issue of severity `error` was reported. */
  readonly failed: boolean;
  /** The field with that path; the object itself for the empty one. */
  field(...path: FieldPath): Field<Code>;
}

/** A reporter for one object; `resource` is its key if it could be read. */
export function createReporter<Code extends string = ManifestIssueCode>(
  locator: Locator,
  file: string | undefined,
  resource: string | undefined,
): Reporter<Code> {
  const issues: Issue<Code>[] = [];
  let failed = false;
  const place = (path: FieldPath, point: 'key' | 'value'): SourceLocation => ({
    ...(file === undefined ? {} : { file }),
    ...locator.locate(path, point),
    field: formatFieldPath(path),
  });
  const field = (...path: FieldPath): Field<Code> => ({
    get at() {
      return place(path, 'key');
    },
    get failed() {
      return failed;
    },
    child: (...rest) => field(...path, ...rest),
    report({ code, message, remedy, severity = 'error', point = 'value', path: rest = [] }) {
      failed ||= severity === 'error';
      const named = resource === undefined ? {} : { resource };
      issues.push({ ...place([...path, ...rest], point), ...named, severity, code, message, remedy });
    },
  });
  return {
    issues,
    get failed() {
      return failed;
    },
    field,
  };
}
