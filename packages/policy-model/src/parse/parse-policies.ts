import { suggest } from '@cilium-ts/core';
import type { z } from 'zod';
import type { PolicyIssue } from '../model/issue.ts';
import type { PolicyResource } from '../model/resource.ts';
import type { Rule } from '../model/rule.ts';
import type { CiliumPolicySpec } from '../schema/cilium-policy.ts';
import { ciliumPolicySchema } from '../schema/cilium-policy.ts';
import type { NetworkPolicySpec } from '../schema/network-policy.ts';
import { networkPolicySchema } from '../schema/network-policy.ts';
import { translateCiliumPolicy } from '../translate/cilium-policy.ts';
import { translateNetworkPolicy } from '../translate/network-policy.ts';
import type { SourceObject } from './documents.ts';
import { readDocuments } from './documents.ts';
import { API_VERSIONS, readHeader } from './header.ts';
import type { Field, Reporter } from './reporter.ts';
import { createReporter } from './reporter.ts';
import { reportShapeIssues } from './shape-issues.ts';

/** What a text holds. A resource with an issue of severity `error` is in `issues` only. */
export interface ParsedPolicies {
  readonly resources: readonly PolicyResource[];
  readonly issues: readonly PolicyIssue[];
}

/** Where the text is from. */
export interface ParseOptions {
  /** Name of the file for issues and explanations. */
  readonly file?: string;
}

/**
 * Reads policies from YAML or JSON: several documents, Kubernetes Lists, and live objects with `status` and all of
 * their metadata. Never throws for bad text: whatever is wrong, and every field that could not be enforced, is an
 * issue that names file, line, field and remedy, and keeps its resource out. Nothing is silently ignored.
 */
export function parsePolicies(text: string, options: ParseOptions = {}): ParsedPolicies {
  const { file } = options;
  const source = readDocuments(text);
  const resources: PolicyResource[] = [];
  const issues: PolicyIssue[] = source.problems.map(({ message, line, column }) => ({
    ...(file === undefined ? {} : { file }),
    line,
    column,
    field: '',
    severity: 'error',
    code: 'malformed',
    message: `the text is not valid YAML or JSON: ${message}`,
    remedy: 'correct the syntax; no policy of this document is read until then',
  }));
  const seen = new Set<string>();
  for (const object of source.objects) {
    const { resource, reporter } = readObject(object, file);
    if (resource !== undefined && seen.has(resource.key)) reportDuplicate(resource, reporter);
    if (resource !== undefined && !reporter.failed) resources.push(resource);
    if (resource !== undefined) seen.add(resource.key);
    issues.push(...reporter.issues);
  }
  return { resources, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
}

function reportDuplicate(resource: PolicyResource, reporter: Reporter): void {
  reporter.field('metadata', 'name').report({
    code: 'duplicate',
    message: `${resource.key} occurs twice in this text`,
    remedy: 'rename one of them',
  });
}

interface ReadResult {
  readonly resource: PolicyResource | undefined;
  readonly reporter: Reporter;
}

function readObject(object: SourceObject, file: string | undefined): ReadResult {
  const header = readHeader(object.value);
  const reporter = createReporter(object.locator, file, header.key);
  if (header.kind === undefined || object.value === null || typeof object.value !== 'object') {
    reportKind(header.kindText, reporter);
    return { resource: undefined, reporter };
  }
  const rules =
    header.kind === 'NetworkPolicy'
      ? readRules<NetworkPolicySpec>(object.value, networkPolicySchema, reporter, (spec, root) => translateNetworkPolicy(spec, header, root))
      : readRules<CiliumPolicySpec>(object.value, ciliumPolicySchema, reporter, (spec, root) => translateCiliumPolicy(spec, header, root));
  if (rules === undefined || header.key === undefined) return { resource: undefined, reporter };
  const { kind, namespace, name, key } = header;
  const base = { kind, namespace, name: name ?? '', key, document: object.value, rules };
  return { resource: file === undefined ? base : { ...base, file }, reporter };
}

function reportKind(kind: string | undefined, reporter: Reporter): void {
  const kinds = Object.keys(API_VERSIONS);
  const near = kind === undefined ? undefined : suggest(kind, kinds);
  reporter.field(...(kind === undefined ? [] : ['kind'])).report({
    code: 'unknown-kind',
    message: kind === undefined ? 'this is not a Kubernetes object: it has no kind' : `${kind} is not a policy`,
    remedy: near === undefined ? `only ${kinds.join(', ')} and Lists of them are read` : `did you mean ${near}?`,
  });
}

/** Validates the shape of an object, then translates it. `undefined` for one of the wrong shape. */
function readRules<Spec>(
  value: unknown,
  schema: z.ZodType<Spec>,
  reporter: Reporter,
  translate: (spec: Spec, root: Field) => readonly Rule[],
): readonly Rule[] | undefined {
  const parsed = schema.safeParse(value);
  if (parsed.success) return translate(parsed.data, reporter.field());
  reportShapeIssues(parsed.error, schema, value, reporter);
  return undefined;
}
