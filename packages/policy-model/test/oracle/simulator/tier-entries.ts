import { anyHeld, blocksMean } from './address.ts';
import type { Context, Entry } from './entry.ts';
import { nameMatches } from './layer7.ts';
import { NUMBERS, named, portMatches } from './ports.ts';
import { NAMESPACE, NAMESPACE_LABELS, clusterTerm, exists, matchesAll, termsOf } from './selectors.ts';
import type { Json, Party, SimPacket } from './tables.ts';

const ACTIONS: Readonly<Record<string, Entry['action']>> = { Allow: 'allow', Accept: 'allow', Deny: 'deny', Pass: 'pass' };

/** The entries of an AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy. */
export function* tierEntries(document: Json, context: Context): Iterable<Entry> {
  const { kind, metadata, spec } = document;
  const admin = kind === 'AdminNetworkPolicy' || (kind === 'ClusterNetworkPolicy' && spec.tier === 'Admin');
  const key = `${kind}//${metadata.name}`;
  for (const [side, field] of [['ingress', 'from'], ['egress', 'to']] as const) {
    for (const [index, entry] of (spec[side] ?? []).entries()) {
      yield {
        where: `${key} spec.${side}[${index}]`,
        side,
        tier: admin ? 'admin' : 'baseline',
        order: { priority: spec.priority ?? 0, key, index },
        action: ACTIONS[entry.action]!,
        defaultDeny: false,
        proxied: false,
        selects: (subject) => matchesAll(podTerms(spec.subject), subject, context.options),
        matchesPeer: (peer) => entry[field].some((one: Json) => peerMatches(one, peer, context)) || insideNetworks(entry, peer, context),
        matchesPort: (packet, receiver) => (covers(entry, packet, receiver) ? ['ports'] : []),
      };
    }
  }
}

/** `namespaces`, or `pods` with both selectors. Only what is in a namespace is a pod. */
function podTerms({ namespaces, pods }: Json) {
  return [
    exists('k8s', NAMESPACE),
    ...termsOf(namespaces ?? pods.namespaceSelector, 'kubernetes', NAMESPACE_LABELS),
    ...(pods === undefined ? [] : termsOf(pods.podSelector, 'kubernetes')),
  ];
}

function peerMatches(peer: Json, party: Party, { options, tables }: Context): boolean {
  if (peer.networks !== undefined) return party.where === 'outside' && anyHeld(peer.networks, [], party.addresses);
  if (peer.nodes !== undefined) return nodeMatches(peer.nodes, party, options);
  if (peer.domainNames !== undefined) {
    const wanted = (name: string): boolean => peer.domainNames.some((pattern: string) => domainMatches(pattern, name));
    return party.where === 'outside' && tables.names.some(({ name, addresses }) => wanted(name) && addresses.some((address) => party.addresses.includes(address)));
  }
  const terms = podTerms(peer);
  return matchesAll([...terms, ...clusterTerm(terms, options)], party, options);
}

/** Whether the networks mean somebody inside of the cluster. */
function insideNetworks({ action, to = [] }: Json, { where, addresses }: Party, { options }: Context): boolean {
  const blocks = to.flatMap(({ networks = [] }: Json) => networks.map((cidr: string) => ({ cidr })));
  return options.strictNetworkPolicy === true && where === 'inside' && blocksMean(blocks, action === 'Deny', addresses);
}

/** Every node of the cluster, this one included, by its labels. */
function nodeMatches(spec: Json, party: Party, options: Context['options']): boolean {
  const node = ['host', 'remote-node'].some((name) => matchesAll([exists('reserved', name)], party, options));
  const terms = termsOf(spec, 'kubernetes').map((term) => ({ ...term, source: 'any' }));
  return node && matchesAll(terms, party, options);
}

/** `*.` at the beginning stands for one or more labels. */
function domainMatches(pattern: string, name: string): boolean {
  return nameMatches(pattern.startsWith('*.') ? { matchPattern: `*${pattern}` } : { matchName: pattern }, name);
}

/** `ports` of v1alpha1 or `protocols` of v1alpha2; without either everything. */
function covers({ ports, protocols }: Json, packet: SimPacket, receiver: Party): boolean {
  if (ports === undefined && protocols === undefined) return true;
  return (ports ?? []).some((port: Json) => oldPort(port, packet, receiver)) || (protocols ?? []).some((protocol: Json) => newProtocol(protocol, packet, receiver));
}

function oldPort({ portNumber, namedPort, portRange }: Json, packet: SimPacket, receiver: Party): boolean {
  if (namedPort !== undefined) return named(receiver.ports ?? [], namedPort, packet);
  const { protocol = 'TCP', port, start, end } = portNumber ?? portRange;
  return portMatches({ protocols: [NUMBERS[protocol]!], port: port ?? start, endPort: end }, packet, receiver);
}

function newProtocol(protocol: Json, packet: SimPacket, receiver: Party): boolean {
  if (protocol.destinationNamedPort !== undefined) return named(receiver.ports ?? [], protocol.destinationNamedPort, packet);
  return ['tcp', 'udp', 'sctp'].some((name) => {
    if (protocol[name] === undefined) return false;
    const { number, range } = protocol[name].destinationPort ?? {};
    return portMatches({ protocols: [NUMBERS[name.toUpperCase()]!], port: number ?? range?.start, endPort: range?.end }, packet, receiver);
  });
}
