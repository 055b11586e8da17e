import type { ManifestHeader } from '@cilium-ts/manifest';
import type { PolicyKind } from '../model/resource.ts';

/** The kinds that are read. */
export const POLICY_KINDS = {
  CiliumNetworkPolicy: {},
  CiliumClusterwideNetworkPolicy: { clusterWide: true },
  NetworkPolicy: {},
} as const satisfies Partial<Record<PolicyKind, { readonly clusterWide?: boolean }>>;

/** A kind that is read. */
export type ReadableKind = keyof typeof POLICY_KINDS;

/** What identifies a resource, as far as it can be read before the resource was validated. */
export type ResourceHeader = ManifestHeader<ReadableKind>;
