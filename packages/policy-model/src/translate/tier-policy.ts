import type { Requirement, Selector } from '@cilium-ts/identity';
import { selector } from '@cilium-ts/identity';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { PolicyField } from '../model/issue.ts';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol.ts';
import type { Direction, Peer, PortSet, PortTerm, Rule, Tier } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../model/special-labels.ts';
import type { ResourceHeader } from '../parse/kinds.ts';
import type { TierPeerSpec, TierPolicySpec, TierPortSpec, TierProtocolSpec, TierRuleSpec, TierSubjectSpec } from '../schema/tier-policy.ts';
import { translateCidrs } from './cidr.ts';
import { translateFqdn } from './fqdn.ts';
import { translateLabelSelector } from './label-selector.ts';
import { isServiceName, namedPort, portRange } from './ports.ts';
import { quote, refuse } from './report.ts';
import { existsTerm, namesKey } from './requirement.ts';

const ACTIONS = { Accept: 'allow', Allow: 'allow', Deny: 'deny', Pass: 'pass' } as const;

interface Owner {
  readonly resource: string;
  readonly tier: Tier;
  readonly priority: number;
  readonly subject: Selector;
}

/** The rules of an AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy. */
export function translateTierPolicy({ metadata, spec }: TierPolicySpec, header: ResourceHeader, root: PolicyField): readonly Rule[] {
  if (header.kind === 'BaselineAdminNetworkPolicy' && metadata.name !== 'default') {
    refuse(root.child('metadata', 'name'), 'there is one BaselineAdminNetworkPolicy, and its name is default', 'write default');
  }
  const owner: Owner = {
    resource: header.key ?? '',
    tier: header.kind === 'AdminNetworkPolicy' || spec.tier === 'Admin' ? 'admin' : 'baseline',
    priority: spec.priority ?? 0,
    subject: selector(podTerms(spec.subject, root.child('spec', 'subject'))),
  };
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    (spec[direction] ?? []).map((rule, index) => translateRule(rule, { owner, direction, index }, root.child('spec', direction, index))),
  );
}

interface Place {
  readonly owner: Owner;
  readonly direction: Direction;
  readonly index: number;
}

function translateRule(rule: TierRuleSpec, { owner, direction, index }: Place, field: PolicyField): Rule {
  const { resource, tier, priority, subject } = owner;
  const specs = rule.from ?? rule.to ?? [];
  const action = ACTIONS[rule.action];
  const at = field.child(rule.from === undefined ? 'to' : 'from');
  specs.forEach((peer, number) => {
    if (peer.domainNames !== undefined && action !== 'allow') {
      refuse(at.child(number, 'domainNames'), `domain names cannot be in a rule whose action is ${rule.action}`, 'name networks, or accept', 'key');
    }
  });
  return {
    resource,
    direction,
    action,
    subject,
    defaultDeny: false,
    tier,
    order: { priority, index },
    peers: { kind: 'peers', peers: specs.flatMap((peer, number) => translatePeer(peer, at.child(number))) },
    ports: translatePorts(rule, specs.some(({ nodes, networks, domainNames }) => (nodes ?? networks ?? domainNames) !== undefined), field),
    at: field.at,
    ...(rule.name && { description: rule.name }),
  };
}

/** Pods, by their namespaces or by those and their labels. What is in no namespace is no pod. */
function podTerms({ namespaces, pods }: TierSubjectSpec, field: PolicyField): Requirement[] {
  const [spaces, at] = pods === undefined ? [namespaces ?? {}, field.child('namespaces')] : [pods.namespaceSelector, field.child('pods', 'namespaceSelector')];
  return [
    existsTerm('k8s', NAMESPACE_KEY),
    ...translateLabelSelector(spaces, 'kubernetes', at).map((term) => ({ ...term, key: `${NAMESPACE_LABELS_PREFIX}${term.key}` })),
    ...(pods === undefined ? [] : translateLabelSelector(pods.podSelector, 'kubernetes', field.child('pods', 'podSelector'))),
  ];
}

function translatePeer(peer: TierPeerSpec, field: PolicyField): Peer[] {
  const { at } = field;
  if (peer.networks !== undefined) return translateCidrs(peer.networks, field.child('networks')).map((prefix) => ({ kind: 'cidr', prefix, except: [], byAddress: true, at }));
  if (peer.nodes !== undefined) return nodePeers(peer.nodes, field.child('nodes'));
  if (peer.domainNames !== undefined) {
    return peer.domainNames.flatMap((name, index) => {
      // One star stands for any number of labels here.
      const spec = name.startsWith('*') ? { matchPattern: `*${name}` } : { matchName: name };
      const names = translateFqdn(spec, field.child('domainNames', index));
      return names === undefined ? [] : [{ kind: 'fqdn', selector: names, at } as const];
    });
  }
  const requirements = podTerms(peer, field);
  return [{ kind: 'labels', requirements, localClusterByDefault: !namesKey(requirements, (key) => key === CLUSTER_KEY), at }];
}

/** Every node, this one included; their labels are of no source that would matter. */
function nodePeers(spec: LabelSelectorSpec, field: PolicyField): Peer[] {
  const terms = translateLabelSelector(spec, 'kubernetes', field).map((term) => ({ ...term, source: 'any' }));
  return ['host', 'remote-node'].map((key) => ({ kind: 'labels', requirements: [...terms, existsTerm('reserved', key)], localClusterByDefault: false, nodes: true, at: field.at }));
}

function translatePorts({ ports, protocols }: TierRuleSpec, nameless: boolean, field: PolicyField): PortSet {
  const terms = [
    ...(ports ?? []).flatMap((port, index) => portTerms(port, nameless, field.child('ports', index))),
    ...(protocols ?? []).flatMap((protocol, index) => protocolTerms(protocol, nameless, field.child('protocols', index))),
  ];
  return (ports ?? protocols ?? []).length === 0 ? { kind: 'all' } : { kind: 'ports', ports: terms };
}

function portTerms({ portNumber, portRange: range, namedPort: name }: TierPortSpec, nameless: boolean, field: PolicyField): PortTerm[] {
  if (name !== undefined) return namedTerms(name, nameless, field.child('namedPort'));
  if (range !== undefined) return rangeTerms(range.protocol, range, field.child('portRange'));
  return rangeTerms(portNumber?.protocol, { start: portNumber?.port ?? 0 }, field.child('portNumber'));
}

function protocolTerms({ destinationNamedPort: name, ...rest }: TierProtocolSpec, nameless: boolean, field: PolicyField): PortTerm[] {
  if (name !== undefined) return namedTerms(name, nameless, field.child('destinationNamedPort'));
  return (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => {
    const spec = rest[protocol];
    if (spec === undefined) return [];
    const { number, range = { start: number ?? 0 } } = spec.destinationPort ?? {};
    return rangeTerms(protocol.toUpperCase() as 'TCP', range, field.child(protocol, 'destinationPort', ...(number === undefined ? ['range'] : [])));
  });
}

/** Ports of a protocol; the start 0 stands for all of them. */
function rangeTerms(protocol: 'TCP' | 'UDP' | 'SCTP' = 'TCP', { start, end = 0 }: { readonly start: number; readonly end?: number }, field: PolicyField): PortTerm[] {
  const range = portRange(start, end, field, 'end');
  return range === undefined ? [] : [{ protocol: PROTOCOL[protocol], ...range, at: field.at }];
}

/** Whatever protocol the port has that pods name so. */
function namedTerms(name: string, nameless: boolean, field: PolicyField): PortTerm[] {
  if (nameless) refuse(field, 'nodes, networks and domain names have no named ports', 'write the number of the port', 'key');
  if (!isServiceName(name)) refuse(field, `${quote(name)} is not the name of a port`, 'use at most 15 letters, digits and single dashes');
  const { at } = field;
  return PORT_PROTOCOLS.map((protocol) => ({ protocol, ...namedPort(name.toLowerCase(), undefined, field), at }));
}
