import { labelSet, makeLabel } from '@cilium-ts/identity';
import type { Manifest, Shape } from '@cilium-ts/manifest';
import { checkShape, readManifests } from '@cilium-ts/manifest';
import type { PolicyField, PolicyIssue, PolicyIssueCode } from '../model/issue.ts';
import type { PolicyKind, PolicyResource } from '../model/resource.ts';
import type { Rule } from '../model/rule.ts';
import type { CidrGroupSpec } from '../schema/cilium-policy.ts';
import { cidrGroupShape, ciliumPolicyShape } from '../schema/cilium-policy.ts';
import { networkPolicyShape } from '../schema/network-policy.ts';
import { adminPolicyShape, baselinePolicyShape, clusterPolicyShape } from '../schema/tier-policy.ts';
import { translateCidrs } from '../translate/cidr.ts';
import { translateCiliumPolicy } from '../translate/cilium-policy.ts';
import { translateNetworkPolicy } from '../translate/network-policy.ts';
import { refuse } from '../translate/report.ts';
import { translateTierPolicy } from '../translate/tier-policy.ts';
import type { ResourceHeader } from './kinds.ts';
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
  const { values, issues } = readManifests(text, { kinds: POLICY_KINDS, foreign: 'is not a policy', file }, (manifest: PolicyManifest): PolicyResource | undefined => {
    const { kind, header, value, root } = manifest;
    const content = READERS[kind](manifest);
    if (content === undefined || header.key === undefined) return undefined;
    const { namespace } = (value as { metadata: { namespace?: string } }).metadata;
    if (POLICY_KINDS[kind].clusterWide && namespace !== undefined) {
      refuse(root.child('metadata', 'namespace'), `a ${kind} has no namespace`, `remove it${kind === 'CiliumClusterwideNetworkPolicy' ? ', or use a CiliumNetworkPolicy' : ''}`, 'key');
    }
    return { kind, namespace: header.namespace, name: header.name ?? '', key: header.key, document: value, ...content, ...(file !== undefined && { file }) };
  });
  return { resources: values, issues };
}

type PolicyManifest = Manifest<PolicyKind, PolicyIssueCode>;
type Content = Pick<PolicyResource, 'rules' | 'group'>;
type Reader = (manifest: PolicyManifest) => Content | undefined;

/** Checks the shape of an object, then translates it. `undefined` for one of the wrong shape. */
function reader<T>(shape: Shape<T>, translate: (spec: T, header: ResourceHeader, root: PolicyField) => readonly Rule[]): Reader {
  return ({ value, header, root }) => (checkShape(shape, value, root) ? { rules: translate(value, header, root) } : undefined);
}

function readCidrGroup({ value, root }: PolicyManifest): Content | undefined {
  if (!checkShape<CidrGroupSpec>(cidrGroupShape, value, root)) return undefined;
  const labels = labelSet(Object.entries(value.metadata.labels ?? {}).map(([key, text]) => makeLabel('k8s', key, text)));
  return { rules: [], group: { prefixes: translateCidrs(value.spec.externalCIDRs, root.child('spec', 'externalCIDRs')), labels } };
}

const ciliumPolicy = reader(ciliumPolicyShape, translateCiliumPolicy);

const READERS: Readonly<Record<PolicyKind, Reader>> = {
  CiliumNetworkPolicy: ciliumPolicy,
  CiliumClusterwideNetworkPolicy: ciliumPolicy,
  CiliumCIDRGroup: readCidrGroup,
  NetworkPolicy: reader(networkPolicyShape, translateNetworkPolicy),
  ClusterNetworkPolicy: reader(clusterPolicyShape, translateTierPolicy),
  AdminNetworkPolicy: reader(adminPolicyShape, translateTierPolicy),
  BaselineAdminNetworkPolicy: reader(baselinePolicyShape, translateTierPolicy),
};
