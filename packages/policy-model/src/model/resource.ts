import type { Rule } from './rule.ts';

/** The resource kinds that hold policies. */
export type PolicyKind = 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy' | 'NetworkPolicy';

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
  readonly rules: readonly Rule[];
}

/** `kind/namespace/name`; cluster-wide policies have an empty middle part. */
export function resourceKey(kind: PolicyKind, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ''}/${name}`;
}
