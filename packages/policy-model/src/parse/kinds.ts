import type { ManifestHeader } from '@cilium-ts/manifest';
import type { PolicyKind } from '../model/resource.ts';

const CLUSTER_WIDE = { clusterWide: true } as const;

/** The kinds that are read. */
export const POLICY_KINDS: Readonly<Record<PolicyKind, { readonly clusterWide?: boolean }>> = {
  CiliumNetworkPolicy: {},
  CiliumClusterwideNetworkPolicy: CLUSTER_WIDE,
  CiliumCIDRGroup: CLUSTER_WIDE,
  NetworkPolicy: {},
  ClusterNetworkPolicy: CLUSTER_WIDE,
  AdminNetworkPolicy: CLUSTER_WIDE,
  BaselineAdminNetworkPolicy: CLUSTER_WIDE,
};

/** What identifies a resource, as far as it can be read before the resource was validated. */
export type ResourceHeader = ManifestHeader<PolicyKind>;
