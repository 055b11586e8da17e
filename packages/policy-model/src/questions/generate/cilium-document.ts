import { PROTOCOL, protocolName } from '../../model/protocol.ts';
import type { Direction } from '../../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../../model/special-labels.ts';
import type { FlowRequest } from '../flow-record.ts';
import type { ChosenTerm } from './choose-selector.ts';
import { byPort, chunks, isIcmp, isTransport, portRuns } from './edge-ports.ts';
import type { Group } from './grouping.ts';
import type { Edge, Note, Peer } from './traffic.ts';
import { DNS_PORT } from './traffic.ts';
import type { YamlValue } from './write-yaml.ts';

/** What the documents depend on besides the group. */
export interface DocumentContext {
  readonly groupOf: ReadonlyMap<string, Group>;
  /** Whether requests become rules of layer 7. */
  readonly l7: boolean;
  readonly note: Note;
}

type Document = { readonly [key: string]: YamlValue };

/** Most ports of a port rule, and fields of an ICMP rule. */
const MAX_PORTS = 40;

/** The CiliumNetworkPolicy of a group. A direction without traffic is closed by an empty rule. */
export function ciliumDocument(group: Group, name: string, context: DocumentContext): Document {
  const rules = (direction: Direction): YamlValue => {
    const written = directionRules(group, direction, context);
    return written.length === 0 ? [{}] : written;
  };
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: group.namespace },
    spec: { endpointSelector: labelSelector(group.selector), ingress: rules('ingress'), egress: rules('egress') },
  };
}

/** Closes every endpoint of a namespace. */
export function ciliumDefaultDeny(namespace: string): Document {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'default-deny', namespace }, spec: { endpointSelector: {}, ingress: [{}], egress: [{}] } };
}

/** The selector as written; `more` are labels besides those chosen. */
export function labelSelector(terms: readonly ChosenTerm[], more: readonly (readonly [string, string])[] = []): Document {
  const labels = [...more, ...terms.filter(({ values }) => values.length === 1).map(({ key, values }) => [key, values[0]!] as const)];
  const expressions = terms
    .filter(({ values }) => values.length !== 1)
    .map(({ key, values }): Document => (values.length === 0 ? { key, operator: 'DoesNotExist' } : { key, operator: 'In', values }));
  return { ...(labels.length === 0 ? {} : { matchLabels: Object.fromEntries(labels) }), ...(expressions.length === 0 ? {} : { matchExpressions: expressions }) };
}

const FIELDS = { workload: 'Endpoints', entity: 'Entities', cidr: 'CIDR', name: 'FQDNs' } as const;
const ORDER: readonly Peer['kind'][] = ['workload', 'entity', 'cidr', 'name'];

/** Peers of one kind with the same ports share a rule. */
function directionRules(group: Group, direction: Direction, context: DocumentContext): Document[] {
  const rules = new Map<string, { readonly kind: Peer['kind']; readonly peers: Map<string, YamlValue>; readonly traffic: Document }>();
  for (const { peer, edges } of [...group.members[0]!.peers[direction].values()].sort((a, b) => (a.peer.key < b.peer.key ? -1 : 1))) {
    const written = peerValue(peer, group, context);
    for (const traffic of trafficOf([...edges.values()], { group, direction, peer, context })) {
      const key = JSON.stringify([ORDER.indexOf(peer.kind), traffic]);
      let rule = rules.get(key);
      if (rule === undefined) rules.set(key, (rule = { kind: peer.kind, peers: new Map(), traffic }));
      rule.peers.set(JSON.stringify(written), written);
    }
  }
  const prefix = direction === 'ingress' ? 'from' : 'to';
  return [...rules]
    .sort(([, a], [, b]) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
    .map(([, { kind, peers, traffic }]) => ({ [`${prefix}${FIELDS[kind]}`]: [...peers.values()], ...traffic }));
}

function peerValue(peer: Peer, group: Group, { groupOf }: DocumentContext): YamlValue {
  switch (peer.kind) {
    case 'entity':
      return peer.entity;
    case 'cidr':
      return peer.prefix.text;
    case 'name':
      return { matchName: peer.name.replace(/(?<=.)\.$/, '') };
    case 'workload': {
      const { namespace, cluster, selector } = groupOf.get(peer.workload.key)!;
      const more: (readonly [string, string])[] = [];
      if (cluster !== undefined) more.push([`k8s:${CLUSTER_KEY}`, cluster]);
      if (namespace !== group.namespace) more.push([`k8s:${NAMESPACE_KEY}`, namespace]);
      return labelSelector(selector, more);
    }
  }
}

interface Side {
  readonly group: Group;
  readonly direction: Direction;
  readonly peer: Peer;
  readonly context: DocumentContext;
}

/** Ports and ICMP types exclude each other in a rule. */
function trafficOf(edges: readonly Edge[], side: Side): Document[] {
  const ports = edges.filter(isTransport).sort(byPort);
  const limited = new Map(ports.map((edge) => [edge, requestRules(edge, side)] as const).filter(([, rules]) => rules !== undefined));
  const plain = chunks(portRuns(ports.filter((edge) => !limited.has(edge))), MAX_PORTS).map((runs): Document => ({
    ports: runs.map(({ protocol, first, last }): Document => ({ port: String(first), ...(last === first ? {} : { endPort: last }), protocol })),
  }));
  const toPorts = [...plain, ...mergeLimited(limited as ReadonlyMap<Edge, Document>)];
  const icmps = edges.filter(isIcmp).sort(byPort).map(({ protocol, port }): Document => ({ family: protocol === PROTOCOL.ICMP ? 'IPv4' : 'IPv6', type: port }));
  for (const { protocol } of edges) {
    if (!ports.some((edge) => edge.protocol === protocol) && protocol !== PROTOCOL.ICMP && protocol !== PROTOCOL.ICMPV6) {
      side.context.note(`the protocol ${protocolName(protocol)} cannot be allowed by itself`);
    }
  }
  return [...(toPorts.length === 0 ? [] : [{ toPorts }]), ...chunks(icmps, MAX_PORTS).map((fields): Document => ({ icmps: [{ fields }] }))];
}

/** Ports with the same rules of layer 7 share them. */
function mergeLimited(limited: ReadonlyMap<Edge, Document>): Document[] {
  const merged = new Map<string, { readonly rules: Document; readonly ports: Document[] }>();
  for (const [{ port, protocol }, rules] of limited) {
    const key = JSON.stringify(rules);
    const entry = merged.get(key) ?? { rules, ports: [] };
    entry.ports.push({ port: String(port), protocol: protocolName(protocol) });
    merged.set(key, entry);
  }
  return [...merged.values()].flatMap(({ rules, ports }) => chunks(ports, MAX_PORTS).map((some): Document => ({ ports: some, rules })));
}

function requestRules(edge: Edge, { group, direction, peer, context }: Side): Document | undefined {
  const requests = context.l7 ? [...edge.requests.values()] : [];
  if (direction === 'egress' && edge.port === DNS_PORT && edge.protocol !== PROTOCOL.SCTP) return dnsRules(group, requests);
  // One proxy is enough: that of the server, unless its policies are not ours.
  if (direction === 'egress' && peer.kind === 'workload' && peer.workload.cluster === undefined) return undefined;
  if (edge.protocol !== PROTOCOL.TCP || edge.port === 0) return undefined;
  const http = requests.filter((request) => request.kind === 'http');
  if (http.length < edge.requests.size && requests.length > 0) context.note('requests other than HTTP and DNS are not limited');
  return http.length === 0 || http.length < requests.length ? undefined : { http: httpRules(http) };
}

type Http = Extract<FlowRequest, { kind: 'http' }>;

/** Methods and paths as they were, a query or none where there was one. */
function httpRules(requests: readonly Http[]): Document[] {
  const paths = new Map<string, { readonly method: string; readonly path: string; query: boolean }>();
  for (const { method, path } of requests) {
    const [plain = '', query] = path.split(/[?#]/, 2);
    const key = JSON.stringify([plain, method]);
    const known = paths.get(key) ?? { method, path: plain, query: false };
    known.query ||= query !== undefined;
    paths.set(key, known);
  }
  return [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { method, path, query }]) => ({ method: escape(method), path: `${escape(path)}${query ? '([?].*)?' : ''}` }));
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

/** What may be asked: what was, and the names that rules of the group need; everything where requests were not recorded. */
function dnsRules(group: Group, requests: readonly FlowRequest[]): Document | undefined {
  const needed = [...group.members[0]!.peers.egress.values()].flatMap(({ peer }) => (peer.kind === 'name' ? [peer.name] : []));
  const asked = requests.flatMap((request) => (request.kind === 'dns' ? [request.name.toLowerCase()] : []));
  if (needed.length === 0 && asked.length === 0) return undefined;
  if (asked.length === 0) return { dns: [{ matchPattern: '*' }] };
  const names = new Set([...needed, ...asked].map((name) => name.replace(/(?<=.)\.$/, '')));
  return { dns: [...names].sort().map((matchName) => ({ matchName })) };
}
