import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { numericIdentity } from '@cilium-ts/identity';
import { PROTOCOL } from '../../model/protocol.ts';
import type { Entity } from '../../model/entity.ts';
import type { Direction } from '../../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../../model/special-labels.ts';
import type { FlowEnd, FlowRecord, FlowRequest } from '../flow-record.ts';
import type { KnownIdentity } from '../identities.ts';
import type { GeneratedKind, Workload } from './workload.ts';
import { workloadOf } from './workload.ts';

/** Somebody who is no workload. */
export type Outsider =
  | { readonly kind: 'entity'; readonly key: string; readonly entity: Entity }
  | { readonly kind: 'cidr'; readonly key: string; readonly prefix: Cidr }
  | { readonly kind: 'name'; readonly key: string; readonly name: string };

/** The other end of an edge. */
export type Peer = ({ readonly kind: 'workload'; readonly key: string; readonly workload: Workload }) | Outsider;

/** What was seen between a workload and a peer, on one port. */
export interface Edge {
  readonly protocol: number;
  readonly port: number;
  readonly requests: Map<string, FlowRequest>;
}

/** What a workload opened, or what was opened to it. */
export interface Traffic {
  readonly workload: Workload;
  readonly peers: Readonly<Record<Direction, Map<string, { readonly peer: Peer; readonly edges: Map<string, Edge> }>>>;
}

/** Why a flow is not, or not as tightly as it might be, in what is generated. */
export type Note = (message: string, flow?: FlowRecord) => void;

/** How flows become traffic. */
export interface TrafficOptions {
  readonly kind: GeneratedKind;
  readonly clusterName: string;
  readonly names: boolean;
  readonly world: 'exact' | 'entity' | readonly Cidr[];
}

/** Where DNS servers listen. */
export const DNS_PORT = 53;

type End = { readonly workload: Workload } | { readonly outsiders: readonly Outsider[] };

/** Gathers flows by workload; those of the identities are there even where they have no flow. */
export class TrafficTable {
  readonly #options: TrafficOptions;
  readonly #note: Note;
  readonly #traffic = new Map<string, Traffic>();
  readonly #byId = new Map<number, KnownIdentity>();
  readonly #byAddress = new Map<string, KnownIdentity>();
  readonly #byLabels = new Map<string, Workload | undefined>();
  /** Workloads that were seen to ask for names: the others learn of no address. */
  readonly #askers = new Set<string>();

  constructor(identities: readonly KnownIdentity[], options: TrafficOptions, note: Note) {
    this.#options = options;
    this.#note = note;
    for (const identity of identities) {
      this.#byId.set(identity.id, identity);
      for (const { text } of identity.addresses ?? []) this.#byAddress.set(text, identity);
      this.#add(identity);
    }
  }

  /** In the order of their keys. */
  all(): Traffic[] {
    return [...this.#traffic.values()].sort((a, b) => (a.workload.key < b.workload.key ? -1 : 1));
  }

  addAll(flows: readonly FlowRecord[]): void {
    for (const { from, port, protocol } of flows) {
      if (port !== DNS_PORT || (protocol !== PROTOCOL.UDP && protocol !== PROTOCOL.TCP)) continue;
      const end = this.#workload(from);
      if (end !== undefined) this.#askers.add(end.key);
    }
    for (const flow of flows) this.#addFlow(flow);
  }

  #addFlow(flow: FlowRecord): void {
    const from = this.#end(flow.from, flow, false);
    if (from === undefined) return;
    for (const { labels } of [flow.from, flow.to]) {
      if (labels?.get(NAMESPACE_KEY) !== undefined && labels.get(CLUSTER_KEY) === undefined) this.#note(`an end has no label ${CLUSTER_KEY}, which peers are selected by`, flow);
    }
    const asks = 'workload' in from && this.#askers.has(from.workload.key);
    const to = this.#end(flow.to, flow, asks && this.#options.names && this.#options.kind === 'cnp');
    if (to === undefined) return;
    if (!('workload' in from) && !('workload' in to)) return this.#note('neither end is a workload in a namespace', flow);
    if ('workload' in from) this.#edge(from.workload, 'egress', to, flow);
    if ('workload' in to) this.#edge(to.workload, 'ingress', from, flow);
  }

  #edge(workload: Workload, direction: Direction, other: End, flow: FlowRecord): void {
    const { peers } = this.#traffic.get(workload.key)!;
    const others: readonly Peer[] = 'workload' in other ? [{ kind: 'workload', key: `workload ${other.workload.key}`, workload: other.workload }] : other.outsiders;
    for (const peer of others) {
      let entry = peers[direction].get(peer.key);
      if (entry === undefined) peers[direction].set(peer.key, (entry = { peer, edges: new Map() }));
      const key = `${flow.protocol}/${flow.port}`;
      let edge = entry.edges.get(key);
      if (edge === undefined) entry.edges.set(key, (edge = { protocol: flow.protocol, port: flow.port, requests: new Map() }));
      if (flow.request !== undefined) edge.requests.set(JSON.stringify(flow.request), flow.request);
    }
  }

  #add(identity: Identity): Workload | undefined {
    const { text } = identity.labels;
    if (this.#byLabels.has(text)) return this.#byLabels.get(text);
    const made = workloadOf(identity, this.#options.kind, this.#options.clusterName);
    const workload = made === undefined ? undefined : (this.#traffic.get(made.key)?.workload ?? made);
    this.#byLabels.set(text, workload);
    if (workload === undefined || this.#traffic.has(workload.key)) return workload;
    this.#traffic.set(workload.key, { workload, peers: { ingress: new Map(), egress: new Map() } });
    return workload;
  }

  #workload(end: FlowEnd): Workload | undefined {
    const known = end.labels === undefined ? this.#known(end) : undefined;
    const labels = end.labels ?? known?.labels;
    return labels === undefined ? undefined : this.#add(known ?? { id: numericIdentity(end.identity ?? 0), labels });
  }

  #end(end: FlowEnd, flow: FlowRecord, names: boolean): End | undefined {
    const workload = this.#workload(end);
    if (workload !== undefined) return { workload };
    const outsiders = this.#outsiders(end, end.labels ?? this.#known(end)?.labels, names);
    if (typeof outsiders !== 'string') return { outsiders };
    this.#note(outsiders, flow);
    return undefined;
  }

  #known({ identity, address }: FlowEnd): KnownIdentity | undefined {
    return (identity === undefined ? undefined : this.#byId.get(identity)) ?? (address === undefined ? undefined : this.#byAddress.get(address.text));
  }

  #outsiders(end: FlowEnd, labels: LabelSet | undefined, names: boolean): Outsider[] | string {
    const entity = labels === undefined ? undefined : entityOf(labels);
    if (entity !== undefined && entity !== 'world') return [{ kind: 'entity', key: `entity ${entity}`, entity }];
    if (labels === undefined && end.address === undefined) return `nothing is known of identity ${end.identity ?? '?'}`;
    if (labels !== undefined && entity === undefined && labels.prefixes.length === 0 && ![...labels].some(({ source }) => source === 'fqdn')) return 'an end has labels, and is in no namespace';
    if (names) {
      const known = new Set([...(end.names ?? []), ...Array.from(labels ?? []).flatMap(({ source, key }) => (source === 'fqdn' && !key.includes('*') ? [key] : []))]);
      if (known.size > 0) return [...known].sort().map((name) => ({ kind: 'name', key: `name ${name}`, name }));
    }
    return [this.#outside(end.address, labels)];
  }

  #outside(address: IpAddress | undefined, labels: LabelSet | undefined): Outsider {
    const { world } = this.#options;
    const own = address === undefined ? labels?.prefixes.toSorted((a, b) => b.prefixLength - a.prefixLength)[0] : hostCidr(address);
    if (own === undefined || world === 'entity') return { kind: 'entity', key: 'entity world', entity: 'world' };
    const around = world === 'exact' ? [] : world.filter((prefix) => cidrContains(prefix, own)).sort((a, b) => b.prefixLength - a.prefixLength);
    const prefix = around[0] ?? own;
    return { kind: 'cidr', key: `cidr ${prefix.text}`, prefix };
  }
}

/** In this order: an API server is a node too, a node is the host too. */
const ENTITIES: readonly Entity[] = ['kube-apiserver', 'host', 'remote-node', 'health', 'ingress', 'init', 'unmanaged'];

function entityOf(labels: LabelSet): Entity | undefined {
  const entity = ENTITIES.find((name) => labels.has('reserved', name));
  if (entity !== undefined) return entity;
  return ['world', 'world-ipv4', 'world-ipv6'].some((name) => labels.has('reserved', name)) ? 'world' : undefined;
}
