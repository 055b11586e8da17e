import type { Cidr } from '@cilium-ts/core';
import type { LabelSet } from '@cilium-ts/identity';
import type { Rule } from './rule.ts';

/** The resource kinds that hold policies, or what policies refer to (CiliumCIDRGroup). */
export type PolicyKind =
  | 'CiliumNetworkPolicy'
  | 'CiliumClusterwideNetworkPolicy'
  | 'CiliumCIDRGroup'
  | 'NetworkPolicy'
  | 'ClusterNetworkPolicy'
  | 'AdminNetworkPolicy'
  | 'BaselineAdminNetworkPolicy';

/** One imported policy object. Immutable. */
export interface PolicyResource {
  readonly kind: PolicyKind;
  /** `undefined` for cluster-wide policies; namespaced ones without a namespace are in `default`. */
  readonly namespace: string | undefined;
  readonly name: string;
  /** Result of {@link resourceKey}: what a policy is imported, replaced and deleted by. */
  readonly key: string;
  readonly file?: string;
  /** The object as written, as plain JSON values. */
  readonly document: unknown;
  /** Empty for a CiliumCIDRGroup. */
  readonly rules: readonly Rule[];
  /** Of a CiliumCIDRGroup: its prefixes and labels. */
  readonly group?: { readonly prefixes: readonly Cidr[]; readonly labels: LabelSet };
}

/** `kind/namespace/name`; cluster-wide policies have an empty middle part. */
export function resourceKey(kind: PolicyKind, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ''}/${name}`;
}
