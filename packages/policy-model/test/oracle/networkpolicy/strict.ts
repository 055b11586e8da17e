import { anyHeld } from '../simulator/address.ts';
import type { Json, SimPacket } from '../simulator/tables.ts';

/**
 * Kubernetes' NetworkPolicy by its own words (networking.k8s.io/v1), without identities: pods, namespaces and nodes are
 * objects with addresses, and what no rule allows to or from an isolated pod is denied, whoever asks.
 */
export interface Cluster {
  /** Labels of namespaces, `kubernetes.io/metadata.name` included. */
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Pod {
  readonly kind: 'pod';
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  /** Of a mesh of clusters, of which Kubernetes knows nothing; absent: this one. */
  readonly cluster?: string;
  readonly ports: readonly { readonly name: string; readonly protocol: number; readonly port: number }[];
}

/** A node, or an address outside of the cluster. */
export interface Other {
  readonly kind: 'own-node' | 'node' | 'outside';
  readonly name: string;
  readonly addresses: readonly string[];
}

export type Endpoint = Pod | Other;

/** The first packet of a connection. */
export interface Connection {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly packet: SimPacket;
}

export interface Verdicts {
  readonly egress: boolean;
  readonly ingress: boolean;
}

/** Whether the policies let the sender send and the receiver receive. */
export function strictVerdicts(policies: readonly Json[], cluster: Cluster, { from, to, packet }: Connection): Verdicts {
  return {
    egress: from.kind !== 'pod' || allows(policies, cluster, { direction: 'Egress', pod: from, peer: to, receiver: to, packet }),
    ingress: to.kind !== 'pod' || allows(policies, cluster, { direction: 'Ingress', pod: to, peer: from, receiver: to, packet }),
  };
}

interface Asked {
  readonly direction: 'Ingress' | 'Egress';
  readonly pod: Pod;
  readonly peer: Endpoint;
  /** Whose named ports count. */
  readonly receiver: Endpoint;
  readonly packet: SimPacket;
}

function allows(policies: readonly Json[], cluster: Cluster, asked: Asked): boolean {
  const { pod, direction } = asked;
  const isolating = policies.filter(({ metadata, spec }) => (metadata.namespace ?? 'default') === pod.namespace && selects(spec.podSelector, pod.labels) && typesOf(spec).includes(direction));
  if (isolating.length === 0) return true;
  return isolating.some(({ metadata, spec }) => {
    const rules: Json[] = (direction === 'Ingress' ? spec.ingress : spec.egress) ?? [];
    return rules.some((rule) => peersMatch((direction === 'Ingress' ? rule.from : rule.to) ?? [], metadata.namespace ?? 'default', cluster, asked.peer) && portsMatch(rule.ports ?? [], asked));
  });
}

/** Without policyTypes: ingress always, egress where there are rules for it. */
function typesOf(spec: Json): string[] {
  if ((spec.policyTypes ?? []).length > 0) return spec.policyTypes;
  return (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function peersMatch(peers: readonly Json[], namespace: string, cluster: Cluster, peer: Endpoint): boolean {
  if (peers.length === 0) return true;
  return peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock !== undefined) return anyHeld([ipBlock.cidr], ipBlock.except ?? [], peer.addresses);
    if (peer.kind !== 'pod') return false;
    const there = namespaceSelector === undefined ? peer.namespace === namespace : selects(namespaceSelector, cluster.namespaces[peer.namespace] ?? {});
    return there && selects(podSelector ?? {}, peer.labels);
  });
}

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

function portsMatch(ports: readonly Json[], { receiver, packet }: Asked): boolean {
  if (ports.length === 0) return true;
  return ports.some(({ protocol = 'TCP', port, endPort }) => {
    if (PROTOCOLS[protocol] !== packet.protocol) return false;
    if (port === undefined) return true;
    if (typeof port === 'number') return packet.port >= port && packet.port <= (endPort ?? port);
    return receiver.kind === 'pod' && receiver.ports.some((one) => one.name === port && one.protocol === packet.protocol && one.port === packet.port);
  });
}

function selects({ matchLabels = {}, matchExpressions = [] }: Json, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return wanted && matchExpressions.every(({ key, operator, values = [] }: Json) => {
    if (operator === 'Exists') return key in labels;
    if (operator === 'DoesNotExist') return !(key in labels);
    const listed = key in labels && values.includes(labels[key]);
    return operator === 'In' ? listed : !listed;
  });
}
