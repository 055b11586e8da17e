import type { Cidr } from '@cilium-ts/core';
import type { Requirement, Selector } from '@cilium-ts/identity';
import type { Entity } from './entity.ts';
import type { SourceLocation } from './location.ts';

/** Which way the traffic goes, seen from the endpoint that the rule selects. */
export type Direction = 'ingress' | 'egress';

/** What a rule does with traffic it matches. Deny beats allow, however specific either is. */
export type RuleAction = 'allow' | 'deny';

/** Peers by their labels. */
export interface LabelsPeer {
  readonly kind: 'labels';
  /** As written, with the namespace term already added; the cluster term is added when the rule is resolved. */
  readonly requirements: readonly Requirement[];
  /** Whether the peer is limited to the local cluster where {@link PolicyOptions.defaultLocalCluster} is on. */
  readonly localClusterByDefault: boolean;
  readonly at: SourceLocation;
}

/** Peers by a named class. */
export interface EntityPeer {
  readonly kind: 'entity';
  readonly entity: Entity;
  readonly at: SourceLocation;
}

/** Peers outside of the cluster by address. Never matches a pod or a node: those carry no `cidr:` label. */
export interface CidrPeer {
  readonly kind: 'cidr';
  readonly prefix: Cidr;
  /** Prefixes inside `prefix` that this peer does not select. They are not denied, merely not selected. */
  readonly except: readonly Cidr[];
  readonly at: SourceLocation;
}

/** One peer of a rule. */
export type Peer = LabelsPeer | EntityPeer | CidrPeer;

/**
 * Whom a rule is about. `any` is a rule without a peer field but with ports: every peer, the world included.
 * `none` matches nobody; such a rule only switches its endpoint to default deny.
 */
export type PeerSet =
  | { readonly kind: 'any' }
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'peers'; readonly peers: readonly Peer[] };

/** A range of ports of one protocol, or of ICMP types. */
export interface PortTerm {
  /** IP protocol number. */
  readonly protocol: number;
  /** First port or ICMP type; 0 with `last` 65535 is the whole protocol. */
  readonly first: number;
  /** Last port or ICMP type, inclusive. */
  readonly last: number;
  readonly at: SourceLocation;
}

/** Which traffic of the peer. `all` is every IP protocol; an empty `ports` list matches no traffic. */
export type PortSet = { readonly kind: 'all' } | { readonly kind: 'ports'; readonly ports: readonly PortTerm[] };

/**
 * One entry of `ingress`, `ingressDeny`, `egress` or `egressDeny`, of whatever resource. Peers and ports are ANDed,
 * the members of each list are ORed.
 */
export interface Rule {
  /** Key of the resource that holds it. */
  readonly resource: string;
  readonly direction: Direction;
  readonly action: RuleAction;
  /** Endpoints that the rule applies to, namespace included. */
  readonly subject: Selector;
  /** Whether the rule switches its endpoints to default deny in its direction. */
  readonly defaultDeny: boolean;
  readonly peers: PeerSet;
  readonly ports: PortSet;
  readonly at: SourceLocation;
  /** `description` of the rule as written. */
  readonly description?: string;
}
