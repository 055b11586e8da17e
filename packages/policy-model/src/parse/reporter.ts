import type { PolicyIssue, PolicyIssueCode } from '../model/issue.ts';
import type { FieldPath, SourceLocation } from '../model/location.ts';
import { formatFieldPath } from '../model/location.ts';
import type { Locator } from './locator.ts';

/** What a finding says; place and resource are added by the reporter. */
export interface Finding {
  readonly code: PolicyIssueCode;
  readonly message: string;
  readonly remedy: string;
  readonly severity?: 'error' | 'warning';
  /** Whether to point at the field's name or at its value (the default). */
  readonly point?: 'key' | 'value';
}

/** Collects the issues of one resource and knows where its fields stand. */
export interface Reporter {
  readonly file: string | undefined;
  readonly issues: readonly PolicyIssue[];
  /** Whether an issue of severity `error` was reported. */
  readonly failed: boolean;
  report(path: FieldPath, finding: Finding): void;
  at(path: FieldPath): SourceLocation;
}

/** A reporter for one resource; `resource` is its key if it could be read. */
export function createReporter(locator: Locator, file: string | undefined, resource: string | undefined): Reporter {
  const issues: PolicyIssue[] = [];
  const place = (path: FieldPath, point: 'key' | 'value'): SourceLocation => ({
    ...(file === undefined ? {} : { file }),
    ...locator.locate(path, point),
    field: formatFieldPath(path),
  });
  return {
    file,
    issues,
    get failed() {
      return issues.some((issue) => issue.severity === 'error');
    },
    report(path, { code, message, remedy, severity = 'error', point = 'value' }) {
      const named = resource === undefined ? {} : { resource };
      issues.push({ ...place(path, point), ...named, severity, code, message, remedy });
    },
    at: (path) => place(path, 'key'),
  };
}
