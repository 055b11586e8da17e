import type { Field, Manifest, Shape } from '@cilium-ts/manifest';
import { checkShape, readManifests } from '@cilium-ts/manifest';
import type { PolicyIssue } from '../model/issue.ts';
import type { PolicyResource } from '../model/resource.ts';
import type { Rule } from '../model/rule.ts';
import { ciliumPolicyShape } from '../schema/cilium-policy.ts';
import { networkPolicyShape } from '../schema/network-policy.ts';
import { translateCiliumPolicy } from '../translate/cilium-policy.ts';
import { translateNetworkPolicy } from '../translate/network-policy.ts';
import type { ReadableKind, ResourceHeader } from './kinds.ts';
import { POLICY_KINDS } from './kinds.ts';

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
  const { values, issues } = readManifests(text, { kinds: POLICY_KINDS, foreign: 'is not a policy', file }, (manifest: Manifest<ReadableKind>) => {
    const { kind, header, value } = manifest;
    const rules = READERS[kind](manifest);
    if (rules === undefined || header.key === undefined) return undefined;
    const base = { kind, namespace: header.namespace, name: header.name ?? '', key: header.key, document: value, rules };
    return file === undefined ? base : { ...base, file };
  });
  return { resources: values, issues };
}

type Reader = (manifest: Manifest<ReadableKind>) => readonly Rule[] | undefined;

/** Checks the shape of an object, then translates it. `undefined` for one of the wrong shape. */
function reader<T>(shape: Shape<T>, translate: (spec: T, header: ResourceHeader, root: Field) => readonly Rule[]): Reader {
  return ({ value, header, root }) => (checkShape(shape, value, root) ? translate(value, header, root) : undefined);
}

const ciliumPolicy = reader(ciliumPolicyShape, translateCiliumPolicy);

const READERS: Readonly<Record<ReadableKind, Reader>> = {
  CiliumNetworkPolicy: ciliumPolicy,
  CiliumClusterwideNetworkPolicy: ciliumPolicy,
  NetworkPolicy: reader(networkPolicyShape, translateNetworkPolicy),
};
