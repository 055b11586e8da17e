import type { ServiceIssue, ServiceIssueCode } from '../model/issue.ts';
import type { FieldPath, SourceLocation } from '../model/location.ts';
import { formatFieldPath } from '../model/location.ts';
import type { Locator } from './locator.ts';

/** What a finding says; place and resource are added by the reporter. */
export interface Finding {
  readonly code: ServiceIssueCode;
  readonly message: string;
  readonly remedy: string;
  readonly severity?: 'error' | 'warning';
  /** Whether to point at the field's name or at its value (the default). */
  readonly point?: 'key' | 'value';
}

/** A field of the resource being read: where it stands, and what is wrong with it. */
export interface Field {
  readonly at: SourceLocation;
  /** Whether an issue of severity `error` was reported for any field of the resource. */
  readonly failed: boolean;
  child(...path: FieldPath): Field;
  report(finding: Finding): void;
}

/** Collects the issues of one resource. */
export interface Reporter {
  readonly issues: readonly ServiceIssue[];
  /** Whether an issue of severity `error` was reported. */
  readonly failed: boolean;
  /** The field with that path; the resource itself for the empty one. */
  field(...path: FieldPath): Field;
}

/** A reporter for one resource; `resource` is its key if it could be read. */
export function createReporter(locator: Locator, file: string | undefined, resource: string | undefined): Reporter {
  const issues: ServiceIssue[] = [];
  const failed = (): boolean => issues.some((issue) => issue.severity === 'error');
  const place = (path: FieldPath, point: 'key' | 'value'): SourceLocation => ({
    ...(file === undefined ? {} : { file }),
    ...locator.locate(path, point),
    path: formatFieldPath(path),
  });
  const field = (...path: FieldPath): Field => ({
    get at() {
      return place(path, 'key');
    },
    get failed() {
      return failed();
    },
    child: (...rest) => field(...path, ...rest),
    report({ code, message, remedy, severity = 'error', point = 'value' }) {
      const named = resource === undefined ? {} : { resource };
      issues.push({ ...place(path, point), ...named, severity, code, message, remedy });
    },
  });
  return {
    issues,
    get failed() {
      return failed();
    },
    field,
  };
}
