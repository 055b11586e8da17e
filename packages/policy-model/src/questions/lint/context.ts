import type { Cidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import type { SourceLocation } from '../../model/location.ts';
import type { PolicyOptions } from '../../model/options.ts';
import type { PolicyResource } from '../../model/resource.ts';
import type { Rule } from '../../model/rule.ts';
import type { Finding, FindingCode, FindingSeverity } from './finding.ts';
import type { PreparedRule } from './prepared.ts';

/** A service that policies may name. */
export interface LintService {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What the checks look at. */
export interface LintContext {
  readonly resources: readonly PolicyResource[];
  readonly rules: readonly PreparedRule[];
  readonly options: PolicyOptions;
  readonly identities: readonly Identity[] | undefined;
  readonly services: readonly LintService[] | undefined;
  readonly clusterPrefixes: readonly Cidr[];
  report(finding: ReportedFinding): void;
}

/** A finding as the checks report it. */
export interface ReportedFinding {
  readonly code: FindingCode;
  readonly severity: FindingSeverity;
  readonly rule: Rule;
  /** Place; that of the rule where absent. */
  readonly at?: SourceLocation;
  readonly message: string;
  readonly remedy: string;
  readonly related?: readonly Rule[];
}

/** The complete finding. */
export function toFinding({ code, severity, rule, at = rule.at, message, remedy, related = [] }: ReportedFinding): Finding {
  return { ...at, code, severity, resource: rule.resource, message, remedy, related: related.map((one) => ({ ...one.at, resource: one.resource })) };
}

/** One check over all rules. */
export type Check = (context: LintContext) => void;

/** Words of a resource's name and of the rule's description, in lower case. */
export function wordsOf(rule: Rule): Set<string> {
  const name = rule.resource.slice(rule.resource.lastIndexOf('/') + 1);
  return new Set(`${name} ${rule.description ?? ''}`.toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== ''));
}

/** Whether one of the words is there. */
export const says = (words: ReadonlySet<string>, ...wanted: readonly string[]): boolean => wanted.some((word) => words.has(word));
