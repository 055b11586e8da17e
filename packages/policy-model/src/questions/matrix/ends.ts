import type { Cidr } from '@cilium-ts/core';
import { compareCidr } from '@cilium-ts/core';
import type { Identity, LabelSet, Requirement } from '@cilium-ts/identity';
import { createReservedIdentities, labelSet, makeLabel, numericIdentity, workloadLabels, worldLabel } from '@cilium-ts/identity';
import { describeLabels } from '../../explain/describe-identity.ts';
import { isEndpoint } from '../../explain/explain-direction.ts';
import { addressLabels, nameLabels } from '../../explain/outside-identity.ts';
import { fqdnLabelKey } from '../../model/fqdn.ts';
import type { PolicyOptions } from '../../model/options.ts';
import type { PolicyResource } from '../../model/resource.ts';
import type { FqdnSelector } from '../../model/rule.ts';
import { NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../../model/special-labels.ts';
import type { PolicyRepository } from '../../repository.ts';

/** Somebody who may open connections or be their destination. */
export interface ReachEnd extends Identity {
  /** What people call it. */
  readonly name: string;
  /** Whether it has policies of its own; addresses outside and nodes have none. */
  readonly endpoint: boolean;
}

/** Numbers of made-up identities: workloads, and what is outside. */
const FIRST_WORKLOAD = 0x00ff_0000;
const FIRST_OUTSIDE = 0x01fe_0000;

/** Who is asked about: the identities given, the nodes, and the world by the prefixes and names of the rules. */
export function reachEnds(identities: readonly (Identity & { readonly name?: string })[], repositories: readonly PolicyRepository[], options: PolicyOptions): readonly ReachEnd[] {
  const ends = new Map<string, ReachEnd>();
  const add = (identity: Identity & { readonly name?: string }): void => {
    const { id, labels, name = describeLabels(labels, options) } = identity;
    if (!ends.has(labels.text)) ends.set(labels.text, { id, labels, name, endpoint: isEndpoint(labels, options) });
  };
  identities.forEach(add);
  const reserved = createReservedIdentities(options);
  for (const name of ['host', 'remote-node']) add(reserved.all().find(({ labels }) => labels.size === 1 && labels.has('reserved', name))!);
  outsideLabels(repositories, options).forEach((labels, i) => add(reserved.byLabels(labels) ?? { id: numericIdentity(FIRST_OUTSIDE + i), labels }));
  return [...ends.values()];
}

/** The world, and every part of it that rules tell apart. */
function outsideLabels(repositories: readonly PolicyRepository[], options: PolicyOptions): readonly LabelSet[] {
  const families = ([4, 6] as const).filter((family) => (family === 4 ? options.ipv4 : options.ipv6));
  const prefixes = [...new Map(repositories.flatMap((one) => one.prefixes().map((prefix): [string, Cidr] => [prefix.text, prefix]))).values()].sort(compareCidr);
  const fqdnSelectors = [...new Map(repositories.flatMap((one) => one.fqdnSelectors().map((wanted): [string, FqdnSelector] => [fqdnLabelKey(wanted), wanted]))).values()];
  const facts = { prefixes, fqdnSelectors };
  return [
    ...families.map((family) => labelSet([worldLabel(family, options)])),
    ...prefixes.filter(({ family }) => families.includes(family)).map((prefix) => addressLabels(prefix, facts, options)),
    ...fqdnSelectors.map((one) => labelSet([worldLabel(families[0] ?? 4, options), makeLabel('fqdn', fqdnLabelKey(one)), ...('name' in one ? nameLabels([one.name], fqdnSelectors) : [])])),
  ];
}

/**
 * Workloads as the rules speak of them, for questions about policies alone: one for every set of labels that a rule selects
 * or names as peer, and in each of their namespaces one with no label that any rule knows.
 */
export function identitiesOfRules(resources: readonly PolicyResource[], options: PolicyOptions): readonly (Identity & { readonly name: string })[] {
  const found = new Map<string, LabelSet>();
  const add = (labels: LabelSet): void => void found.set(labels.text, labels);
  const rules = resources.flatMap((resource) => resource.rules);
  const terms = rules.flatMap(({ subject, peers }) => [subject.requirements, ...(peers.kind === 'peers' ? peers.peers.flatMap((peer) => (peer.kind === 'labels' ? [peer.requirements] : [])) : [])]);
  const namespaces = new Set(terms.flatMap((requirements) => namespaceOf(requirements) ?? []));
  if (namespaces.size === 0) namespaces.add('default');
  for (const namespace of namespaces) add(workloadLabels([], { namespace, clusterName: options.clusterName }));
  for (const requirements of terms) {
    const own = requirements.filter(({ operator, key }) => (operator === 'In' || operator === 'Exists') && key !== NAMESPACE_KEY && !key.startsWith(NAMESPACE_LABELS_PREFIX));
    if (own.length === 0 || own.some(({ source }) => source !== 'any' && source !== 'k8s')) continue;
    const texts = own.map(({ key, values }) => `k8s:${key}=${values[0] ?? ''}`);
    const namespace = namespaceOf(requirements);
    for (const place of namespace === undefined ? namespaces : [namespace]) add(workloadLabels(texts, { namespace: place, clusterName: options.clusterName }));
  }
  const sorted = [...found.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
  return sorted.map((labels, i) => ({ id: numericIdentity(FIRST_WORKLOAD + i), labels, name: describeLabels(labels, options) }));
}

/** The one namespace that the terms allow. */
function namespaceOf(requirements: readonly Requirement[]): string | undefined {
  const term = requirements.find(({ key, operator }) => operator === 'In' && (key === NAMESPACE_KEY || key === `${NAMESPACE_LABELS_PREFIX}kubernetes.io/metadata.name`));
  return term?.values[0];
}
