import type { Identity, LabelSet } from '@cilium-ts/identity';
import { createLabelFilter } from '@cilium-ts/identity';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../../model/special-labels.ts';

/** The resources that can be generated: CiliumNetworkPolicy or Kubernetes NetworkPolicy. */
export type GeneratedKind = 'cnp' | 'netpol';

/** Endpoints that labels cannot tell apart. */
export interface Workload {
  /** Equal for equal workloads; orders them. */
  readonly key: string;
  readonly namespace: string;
  /** `undefined` for the local cluster. */
  readonly cluster: string | undefined;
  /** Labels that policies may select it by, key (with its source, unless that is `k8s`) to value. */
  readonly labels: ReadonlyMap<string, string>;
  /** One of its identities. */
  readonly identity: Identity;
}

const SERVICE_ACCOUNT_KEY = 'io.cilium.k8s.policy.serviceaccount';
const withoutReplicas = createLabelFilter();

/**
 * The workload that the identity belongs to; `undefined` for what is no workload in a namespace. Labels that differ
 * between replicas (those that Cilium leaves out of identities too, such as `pod-template-hash`) do not count.
 */
export function workloadOf(identity: Identity, kind: GeneratedKind, clusterName: string): Workload | undefined {
  const namespace = identity.labels.get(NAMESPACE_KEY)?.value;
  if (namespace === undefined || namespace === '' || isOutside(identity.labels)) return undefined;
  const cluster = identity.labels.get(CLUSTER_KEY)?.value ?? clusterName;
  const labels = new Map<string, string>();
  for (const { source, key, value } of withoutReplicas(identity.labels)) {
    if (key === NAMESPACE_KEY || key === CLUSTER_KEY || key.startsWith(NAMESPACE_LABELS_PREFIX)) continue;
    if (kind === 'netpol' && (source !== 'k8s' || key === SERVICE_ACCOUNT_KEY)) continue;
    labels.set(source === 'k8s' ? key : `${source}:${key}`, value);
  }
  const text = [...labels].map(([key, value]) => `${key}=${value}`).sort().join(',');
  return { key: `${cluster === clusterName ? '' : cluster}/${namespace}/${text}`, namespace, cluster: cluster === clusterName ? undefined : cluster, labels, identity };
}

function isOutside(labels: LabelSet): boolean {
  return labels.prefixes.length > 0 || [...labels].some(({ source }) => source === 'reserved' || source === 'fqdn');
}
