import type { Label } from './label.ts';
import { makeLabel, parseLabel } from './label.ts';
import type { LabelSet } from './label-set.ts';
import { labelSet } from './label-set.ts';

/** Where a workload lives, besides the labels its user gave it. */
export interface WorkloadPlace {
  /** Kubernetes namespace; policies without one are in `default`, and so are workloads. */
  readonly namespace?: string | undefined;
  /** Name of the cluster, which label peers of policies mean by default. */
  readonly clusterName: string;
}

const NAMESPACE_KEY = 'io.kubernetes.pod.namespace';
const NAMESPACE_NAME_KEY = 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name';
const CLUSTER_KEY = 'io.cilium.k8s.policy.cluster';

/**
 * The labels of a workload as policies see it: those given, where a label without a source is a `k8s` one, and, unless
 * they are given, those that Cilium adds to every pod: its namespace, its namespace's own name, its cluster. A workload
 * whose labels are reserved ones (`reserved:init`) gets nothing added. Throws what {@link parseLabel} throws.
 */
export function workloadLabels(given: Iterable<string>, { namespace, clusterName }: WorkloadPlace): LabelSet {
  const own = labelSet(Array.from(given, (text) => withSource(parseLabel(text))));
  if ([...own].some(({ source }) => source === 'reserved')) return own;
  const named = own.get(NAMESPACE_KEY)?.value ?? namespace ?? 'default';
  const added = [makeLabel('k8s', NAMESPACE_KEY, named), makeLabel('k8s', NAMESPACE_NAME_KEY, named), makeLabel('k8s', CLUSTER_KEY, clusterName)];
  return labelSet([...added.filter(({ key }) => own.get(key) === undefined), ...own]);
}

function withSource(label: Label): Label {
  return label.source === 'unspec' ? makeLabel('k8s', label.key, label.value) : label;
}
