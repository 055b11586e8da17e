import type { Direction } from '../../model/rule.ts';
import { labelSelector, type DocumentContext } from './cilium-document.ts';
import { isTransport, portRuns } from './edge-ports.ts';
import type { Group } from './grouping.ts';
import type { Peer } from './traffic.ts';
import type { YamlValue } from './write-yaml.ts';

type Document = { readonly [key: string]: YamlValue };

/** Label that every namespace has: its own name. */
const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** The Kubernetes NetworkPolicy of a group. A direction without traffic is closed by being listed. */
export function networkPolicyDocument(group: Group, name: string, context: DocumentContext): Document {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: group.namespace },
    spec: {
      podSelector: labelSelector(group.selector),
      policyTypes: ['Ingress', 'Egress'],
      ingress: directionRules(group, 'ingress', context),
      egress: directionRules(group, 'egress', context),
    },
  };
}

/** Closes every pod of a namespace. */
export function networkPolicyDefaultDeny(namespace: string): Document {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'default-deny', namespace }, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } };
}

/** Peers with the same ports share a rule. */
function directionRules(group: Group, direction: Direction, context: DocumentContext): Document[] {
  const rules = new Map<string, { readonly peers: Map<string, Document>; readonly ports: readonly Document[] }>();
  for (const { peer, edges } of [...group.members[0]!.peers[direction].values()].sort((a, b) => (a.peer.key < b.peer.key ? -1 : 1))) {
    const all = [...edges.values()];
    if (!all.every(isTransport)) context.note('a NetworkPolicy cannot allow ICMP or other protocols without ports by themselves');
    const ports = portRuns(all.filter(isTransport)).map(({ protocol, first, last }): Document => ({ protocol, port: first, ...(first === last ? {} : { endPort: last }) }));
    const peers = peerValues(peer, group, context);
    if (ports.length === 0 || peers.length === 0) continue;
    const key = JSON.stringify(ports);
    const rule = rules.get(key) ?? { peers: new Map<string, Document>(), ports };
    for (const written of peers) rule.peers.set(JSON.stringify(written), written);
    rules.set(key, rule);
  }
  return [...rules.values()].map(({ peers, ports }) => ({ [direction === 'ingress' ? 'from' : 'to']: [...peers.values()], ports }));
}

function peerValues(peer: Peer, group: Group, { groupOf, note }: DocumentContext): Document[] {
  if (peer.kind === 'cidr') return [{ ipBlock: { cidr: peer.prefix.text } }];
  if (peer.kind === 'entity' && peer.entity === 'world') return ['0.0.0.0/0', '::/0'].map((cidr) => ({ ipBlock: { cidr } }));
  if (peer.kind !== 'workload') {
    note(`a NetworkPolicy cannot name ${peer.kind === 'entity' ? `the entity ${peer.entity}` : 'DNS names'} as a peer`);
    return [];
  }
  const { namespace, cluster, selector } = groupOf.get(peer.workload.key)!;
  if (cluster !== undefined) {
    note('a NetworkPolicy cannot name workloads of another cluster');
    return [];
  }
  const podSelector = labelSelector(selector);
  if (namespace === group.namespace) return [{ podSelector }];
  const pods = selector.length === 0 ? {} : { podSelector };
  return [{ namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: namespace } }, ...pods }];
}
