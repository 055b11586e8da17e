import type { Requirement, Selector } from '@cilium-ts/identity';
import { selector } from '@cilium-ts/identity';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { PolicyField } from '../model/issue.ts';
import { MAX_PORT, PROTOCOL } from '../model/protocol.ts';
import type { Direction, Peer, PeerSet, PortSet, PortTerm, Rule } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../model/special-labels.ts';
import type { ResourceHeader } from '../parse/kinds.ts';
import type { NetworkPolicyPeerSpec, NetworkPolicyPortSpec, NetworkPolicySpec } from '../schema/network-policy.ts';
import { translateCidrPeer } from './cidr.ts';
import { translateLabelSelector } from './label-selector.ts';
import { isServiceName, namedPort, portRange } from './ports.ts';
import { missing, quote, refuse, suspect } from './report.ts';
import { equalsTerm, existsTerm, namesKey } from './requirement.ts';

interface Owner {
  readonly resource: string;
  readonly namespace: string;
  readonly subject: Selector;
}

interface EntrySpec {
  readonly peers: readonly NetworkPolicyPeerSpec[] | undefined;
  readonly peersField: 'from' | 'to';
  readonly ports: readonly NetworkPolicyPortSpec[] | undefined;
}

/** The rules of a Kubernetes NetworkPolicy. All of them allow and switch to default deny. */
export function translateNetworkPolicy(policy: NetworkPolicySpec, header: ResourceHeader, root: PolicyField): readonly Rule[] {
  const { spec } = policy;
  const namespace = header.namespace ?? '';
  const subject = selector(podTerms(spec.podSelector, namespace, root.child('spec', 'podSelector')));
  const owner: Owner = { resource: header.key ?? '', namespace, subject };
  const entries: Record<Direction, EntrySpec[]> = {
    ingress: (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, peersField: 'from', ports })),
    egress: (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, peersField: 'to', ports })),
  };
  warnUnlistedTypes(spec, root);
  return (['ingress', 'egress'] as const).flatMap((direction) => {
    const unlisted = isUnlisted(spec, direction) ? ({ unlisted: true } as const) : {};
    const rules = entries[direction].map((entry, index) => ({ ...translateEntry(entry, direction, owner, root.child('spec', direction, index)), ...unlisted }));
    return rules.length === 0 && affects(spec, direction) ? [denyAll(direction, owner, deniedAt(spec, direction, root))] : rules;
  });
}

/** Ingress is affected unless only Egress is listed; egress only if it is listed (or has rules). */
function affects(spec: NetworkPolicySpec['spec'], direction: Direction): boolean {
  const types = spec.policyTypes ?? [];
  return direction === 'egress' ? types.includes('Egress') : types.includes('Ingress') || !types.includes('Egress');
}

/** Whether policyTypes are listed, and this one is not. */
function isUnlisted({ policyTypes = [] }: NetworkPolicySpec['spec'], direction: Direction): boolean {
  return policyTypes.length > 0 && !policyTypes.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
}

function warnUnlistedTypes(spec: NetworkPolicySpec['spec'], root: PolicyField): void {
  for (const [direction, type] of [['ingress', 'Ingress'], ['egress', 'Egress']] as const) {
    if ((spec[direction] ?? []).length === 0 || !isUnlisted(spec, direction)) continue;
    const message = `policyTypes does not list ${type}, yet there are ${direction} rules; they apply, as in Cilium`;
    suspect(root.child('spec', direction), message, `add ${type} to policyTypes or remove the rules`);
  }
}

/** The field that brings default deny without rules. */
function deniedAt(spec: NetworkPolicySpec['spec'], direction: Direction, root: PolicyField): PolicyField {
  if (spec[direction] !== undefined) return root.child('spec', direction);
  return spec.policyTypes === undefined ? root.child('spec') : root.child('spec', 'policyTypes');
}

/** A rule that matches nobody: all it does is switch the endpoints to default deny. */
function denyAll(direction: Direction, owner: Owner, field: PolicyField): Rule {
  return {
    resource: owner.resource,
    direction,
    action: 'allow',
    subject: owner.subject,
    defaultDeny: true,
    tier: 'normal',
    peers: { kind: 'none', why: `the policy has no ${direction} rules` },
    ports: { kind: 'all' },
    at: field.at,
  };
}

function translateEntry(entry: EntrySpec, direction: Direction, owner: Owner, field: PolicyField): Rule {
  const specs = entry.peers ?? [];
  const peers: PeerSet =
    specs.length === 0
      ? { kind: 'any' }
      : { kind: 'peers', peers: specs.flatMap((peer, i) => translatePeer(peer, owner, field.child(entry.peersField, i))) };
  return {
    resource: owner.resource,
    direction,
    action: 'allow',
    subject: owner.subject,
    defaultDeny: true,
    tier: 'normal',
    peers,
    ports: translatePorts(entry.ports ?? [], field.child('ports')),
    at: field.at,
  };
}

function translatePeer(peer: NetworkPolicyPeerSpec, owner: Owner, field: PolicyField): Peer[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const byLabels = podSelector !== undefined || namespaceSelector !== undefined;
  if (ipBlock !== undefined && byLabels) {
    const message = 'ipBlock cannot be combined with podSelector or namespaceSelector';
    refuse(field.child('ipBlock'), message, 'write one peer for each', 'key');
    return [];
  }
  if (ipBlock !== undefined) {
    const block = translateCidrPeer(ipBlock, field.child('ipBlock'));
    return block === undefined ? [] : [{ ...block, byAddress: true }];
  }
  if (byLabels) return [labelsPeer(podSelector, namespaceSelector, owner, field)];
  const message = 'the peer names neither podSelector, namespaceSelector nor ipBlock';
  missing(field, message, 'add one; to mean everybody, leave out the whole list');
  return [];
}

function labelsPeer(
  podSelector: LabelSelectorSpec | undefined,
  namespaceSelector: LabelSelectorSpec | undefined,
  owner: Owner,
  field: PolicyField): Peer {
  const podPath = field.child('podSelector');
  const pods =
    namespaceSelector === undefined
      ? podTerms(podSelector ?? {}, owner.namespace, podPath)
      : translateLabelSelector(podSelector ?? {}, 'kubernetes', podPath);
  const namespaces =
    namespaceSelector === undefined ? [] : namespaceTerms(namespaceSelector, field.child('namespaceSelector'));
  const localClusterByDefault = !namesKey(pods, (key) => key === CLUSTER_KEY);
  return { kind: 'labels', requirements: [...namespaces, ...pods], localClusterByDefault, at: field.at };
}

/** A pod selector within the policy's own namespace, which replaces whatever the selector says about it. */
function podTerms(spec: LabelSelectorSpec, namespace: string, field: PolicyField): readonly Requirement[] {
  const { [NAMESPACE_KEY]: replaced, ...matchLabels } = spec.matchLabels ?? {};
  if (replaced !== undefined && replaced !== namespace) {
    const message = `the selector names the namespace ${replaced}, but selects pods of ${namespace} only`;
    suspect(field, message, 'remove the namespace from the selector');
  }
  return [...translateLabelSelector({ ...spec, matchLabels }, 'kubernetes', field), equalsTerm('k8s', NAMESPACE_KEY, namespace)];
}

/**
 * Terms on the labels of a namespace, which its pods carry under a prefix. What is in no namespace is selected by no
 * selector of namespaces: not even by one that says what their labels must not be.
 */
function namespaceTerms(spec: LabelSelectorSpec, field: PolicyField): readonly Requirement[] {
  const terms = translateLabelSelector(spec, 'kubernetes', field);
  return [existsTerm('k8s', NAMESPACE_KEY), ...terms.map((term) => ({ ...term, key: `${NAMESPACE_LABELS_PREFIX}${term.key}` }))];
}

function translatePorts(specs: readonly NetworkPolicyPortSpec[], field: PolicyField): PortSet {
  if (specs.length === 0) return { kind: 'all' };
  return { kind: 'ports', ports: specs.flatMap((spec, index) => portTerm(spec, field.child(index))) };
}

function portTerm({ protocol = 'TCP', port, endPort }: NetworkPolicyPortSpec, field: PolicyField): PortTerm[] {
  const first = portNumber(port, endPort, field.child('port'));
  if (first === undefined) return [];
  if (typeof first === 'string' && endPort !== undefined) {
    refuse(field.child('endPort'), `endPort cannot follow the name ${quote(first)}`, 'write port and endPort as numbers', 'key');
    return [];
  }
  const range = typeof first === 'string' ? namedPort(first, undefined, field) : portRange(first, endPort ?? 0, field);
  return range === undefined ? [] : [{ protocol: PROTOCOL[protocol], ...range, at: field.at }];
}

/** The port or its name; 0 for every port of the protocol, which only an absent field means here. */
function portNumber(port: number | string | undefined, endPort: number | undefined, field: PolicyField): number | string | undefined {
  if (port === undefined) return endPort === undefined ? 0 : missing(field, 'endPort needs a port', 'add the first port of the range');
  if (typeof port === 'number' && port >= 1 && port <= MAX_PORT) return port;
  if (typeof port === 'string' && isServiceName(port)) return port.toLowerCase();
  return refuse(field, `${quote(port)} is not a port`, `use a number from 1 to ${MAX_PORT}${typeof port === 'string' ? ', without quotes' : ''}; leave it out to mean every port`);
}
