import type { Cidr } from '@cilium-ts/core';
import type { Requirement, Selector } from '@cilium-ts/identity';
import type { SourceLocation } from '@cilium-ts/manifest';
import type { Entity } from './entity.ts';
import type { ProxyRules } from './l7.ts';

/** Which way the traffic goes, seen from the endpoint that the rule selects. */
export type Direction = 'ingress' | 'egress';

/**
 * What a rule does with traffic it matches. Within a policy of the tier `normal` deny beats allow, however specific
 * either is. `pass` (tier `admin` alone) leaves the traffic to the tiers below, whatever later rules of its tier say.
 */
export type RuleAction = 'allow' | 'deny' | 'pass';

/**
 * When a rule is asked. `admin` rules come first: the first that matches, by priority, decides. Then the rules of
 * `normal` policies, which decide everything for an endpoint that one of them puts into default deny. Only what is
 * still open is asked of `baseline` rules, again in their order. Traffic that nothing decides is allowed.
 */
export type Tier = 'admin' | 'normal' | 'baseline';

/** The place of a rule of the tiers `admin` and `baseline` in their order: priority, resource key, index. */
export interface RuleOrder {
  /** 0 (first) to 1000. */
  readonly priority: number;
  /** Place of the rule in its policy and direction. */
  readonly index: number;
}

/** Whether peers have to authenticate each other. */
export type AuthenticationMode = 'disabled' | 'required' | 'test-always-fail';

/** Peers by their labels. */
export interface LabelsPeer {
  readonly kind: 'labels';
  /** As written, with the namespace term already added; the cluster term is added when the rule is resolved. */
  readonly requirements: readonly Requirement[];
  /** Whether the peer is limited to the local cluster where {@link PolicyOptions.defaultLocalCluster} is on. */
  readonly localClusterByDefault: boolean;
  /** Whether nodes are meant, by their labels (`fromNodes`, `nodes`). */
  readonly nodes?: true;
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
  /** Whether it also means pods and nodes, by their addresses, where {@link PolicyOptions.strictNetworkPolicy} is on. */
  readonly byAddress?: true;
  readonly at: SourceLocation;
}

/** Peers outside by the prefixes of CiliumCIDRGroup objects, as the repository has them at the time. */
export interface CidrGroupPeer {
  readonly kind: 'cidr-group';
  /** One group by its name, or all whose labels the selector (source `any`) chooses. */
  readonly group: { readonly name: string } | { readonly selector: Selector };
  /** Applied to each prefix of the group that contains it. */
  readonly except: readonly Cidr[];
  readonly at: SourceLocation;
}

/** Peers outside by a DNS name that resolved to their address. */
export interface FqdnPeer {
  readonly kind: 'fqdn';
  /** As in {@link FqdnSelector}. */
  readonly selector: FqdnSelector;
  readonly at: SourceLocation;
}

/** The backends of services, as the repository knows them at the time. */
export interface ServicePeer {
  readonly kind: 'service';
  readonly service: ServiceReference;
  readonly at: SourceLocation;
}

/** Addresses of a cloud provider's group: an address set that somebody resolves and feeds in. */
export interface GroupPeer {
  readonly kind: 'group';
  /** Canonical text of the group as written (`aws:` and its sorted fields), by which its prefixes are fed in. */
  readonly group: string;
  readonly at: SourceLocation;
}

/** One peer of a rule. Nodes (`fromNodes`) are label peers that require `reserved:remote-node`, or `reserved:host`. */
export type Peer = LabelsPeer | EntityPeer | CidrPeer | CidrGroupPeer | FqdnPeer | ServicePeer | GroupPeer;

/** DNS names: one (`matchName`), or those that a pattern with wildcards means. Lower case, with a final dot. */
export type FqdnSelector = { readonly name: string } | { readonly pattern: string };

/** Services by name, or by their labels; without a namespace those of every namespace. */
export type ServiceReference =
  | { readonly name: string; readonly namespace?: string }
  | { readonly selector: Selector; readonly namespace?: string };

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
  /** Set for a named port: the name, in lower case; `first` and `last` are then 0 and mean nothing. */
  readonly name?: string;
  /** What a proxy has to check of the connection besides. The same object for all terms of one port rule. */
  readonly proxy?: ProxyRules;
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
  /** Whether the rule switches its endpoints to default deny in its direction. False in the tiers besides `normal`. */
  readonly defaultDeny: boolean;
  readonly tier: Tier;
  /** Set in the tiers `admin` and `baseline`. */
  readonly order?: RuleOrder;
  /** Of a direction that its NetworkPolicy's policyTypes do not list: counts unless {@link PolicyOptions.strictNetworkPolicy}. */
  readonly unlisted?: true;
  /** Of peers; accepted and reported as not enforced. */
  readonly authentication?: AuthenticationMode;
  /** `log.value`: a text that verdicts by this rule carry. */
  readonly log?: string;
  /** Labels of the rule as written, `source:key=value`. */
  readonly labels?: readonly string[];
  readonly peers: PeerSet;
  readonly ports: PortSet;
  readonly at: SourceLocation;
  /** `description` of the rule as written. */
  readonly description?: string;
}
