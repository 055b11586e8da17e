import type { Identity, LabelSet } from '@cilium-ts/identity';
import { displayLabel } from '@cilium-ts/identity';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../model/special-labels.ts';

/**
 * What people call the holders of these labels: `shop/app=web` for pods (without the labels that every pod has), `host`,
 * `203.0.113.0/24`, `world-ipv4`. Not unique: labels of namespaces and the own cluster's name are left out.
 */
export function describeLabels(labels: LabelSet, { clusterName }: { readonly clusterName: string }): string {
  const namespace = labels.get(NAMESPACE_KEY)?.value;
  const own: string[] = [];
  const outside: string[] = [];
  for (const label of labels) {
    const { source, key, value } = label;
    if (key === NAMESPACE_KEY || key.startsWith(NAMESPACE_LABELS_PREFIX) || (key === CLUSTER_KEY && value === clusterName)) continue;
    if (source === 'cidr') outside.push(displayLabel(label).slice('cidr:'.length));
    else if (source === 'fqdn') outside.push(key);
    else if (source === 'reserved') own.push(key);
    else own.push(source === 'k8s' || source === 'unspec' ? `${key}${value === '' ? '' : `=${value}`}` : displayLabel(label));
  }
  if (outside.length > 0) return outside.join(' ');
  if (namespace === undefined) return own.join(',') || 'nothing known';
  return `${namespace}/${own.join(',') || '(any)'}`;
}

/** {@link describeLabels} with the number, which tells apart what looks alike. */
export function describeIdentity({ id, labels }: Identity, options: { readonly clusterName: string }): string {
  return `${describeLabels(labels, options)} (identity ${id})`;
}
