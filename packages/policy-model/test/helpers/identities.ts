import { parseCidr } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { cidrLabels, labelSet, numericIdentity, reservedIdentities } from '@cilium-ts/identity';

const DUAL = { ipv4: true, ipv6: true };

export function identity(id: number, labels: LabelSet | string[]): Identity {
  return { id: numericIdentity(id), labels: Array.isArray(labels) ? labelSet(labels) : labels };
}

/** Labels of a pod as the agent makes them: its own, its namespace's, and those of namespace and cluster. */
export function podLabels(namespace: string, labels: Record<string, string>, cluster = 'default'): LabelSet {
  return labelSet([
    ...Object.entries(labels).map(([key, value]) => `k8s:${key}=${value}`),
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    `k8s:io.cilium.k8s.policy.cluster=${cluster}`,
  ]);
}

let next = 1000;
const ids = new Map<string, number>();
/** An identity with a number of its own for each set of labels. */
function numbered(labels: LabelSet, base = 0): Identity {
  let id = ids.get(labels.text);
  if (id === undefined) ids.set(labels.text, (id = next++));
  return identity(base + id, labels);
}

export function pod(namespace: string, labels: Record<string, string>, cluster?: string): Identity {
  return numbered(podLabels(namespace, labels, cluster));
}

/** The identity of a prefix outside, with the labels of every covering prefix, as the ipcache merges them. */
export function outside(prefix: string, covering: string[] = [], families = DUAL): Identity {
  const sets = [prefix, ...covering].map((text) => cidrLabels(parseCidr(text)!, families));
  return numbered(labelSet(sets.flatMap((set) => [...set])), 16777216);
}

export function reserved(name: string, families = DUAL): Identity {
  const found = reservedIdentities(families).find(({ labels }) => labels.has('reserved', name) && labels.size === 1);
  if (found === undefined) throw new Error(`no reserved identity ${name}`);
  return found;
}
