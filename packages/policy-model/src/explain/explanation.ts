import type { Identity } from '@cilium-ts/identity';
import type { L7Request } from '../l7/request.ts';
import type { SourceLocation } from '../model/location.ts';
import type { Direction, RuleAction, Tier } from '../model/rule.ts';
import type { MatchType, RowAction } from '../model/verdict.ts';

/** Points at a rule: the place is that of the port, else the peer, else the entry that matched. */
export interface RuleReference extends SourceLocation {
  /** Key of the resource. */
  readonly resource: string;
  readonly action: RuleAction;
  /** Path of the entry as a whole, such as `spec.ingress[0]`. */
  readonly entry: string;
  /** Place of the entry in its list, from 0; absent for what is no entry of a list. */
  readonly index?: number;
  readonly tier: Tier;
  /** Of the tiers `admin` and `baseline`. */
  readonly priority?: number;
  /** As written in the policy. */
  readonly labels?: readonly string[];
  readonly log?: string;
  readonly description?: string;
}

/**
 * What a rule that matches has to do with the verdict. `decides`: gave it, alone or, being the first in order, with others.
 * `agrees`: says the same, and would give the verdict if the deciding rule were gone. `redirects`: its layer-7 rules or
 * server names take part in what the proxy lets pass. `passes`: left the traffic to the tiers below. `shadowed`: says
 * something else, or says more, and does not count.
 */
export type RuleEffect = 'decides' | 'agrees' | 'redirects' | 'passes' | 'shadowed';

/** How a request, or the server name of a connection, fared with the layer-7 rules of one rule. */
export interface L7Finding {
  /** `http`, `kafka`, `dns`, `tls`, `listener`, or the name of a generic parser. */
  readonly parser: string;
  /** `undefined` where the question held no request. */
  readonly matches: boolean | undefined;
  /** Which of the layer-7 rules matched, from 0. */
  readonly index?: number;
  /** What matched, or what was in the way. */
  readonly detail: string;
}

/** A rule that selects the endpoint, and how it fared. */
export interface Candidate {
  readonly rule: RuleReference;
  /** `peer` and `port` say what did not match; `nobody` is a rule that selects no peer at all. */
  readonly outcome: 'matched' | 'peer' | 'port' | 'nobody';
  /** What matched, or why it did not. */
  readonly detail: string;
  /** Of rules that matched. */
  readonly effect?: RuleEffect;
  /** Why it does not count, for rules that are shadowed, and by which rule where it is one. */
  readonly shadow?: { readonly why: string; readonly by?: RuleReference };
  /** Of rules that send the connection to a proxy. */
  readonly l7?: L7Finding;
}

/** Why the verdict of a direction is what it is. */
export type DecisionReason =
  /** The peer on this side is no endpoint that policies apply to: the world, a node, the host. */
  | 'no-endpoint'
  /** Policies are switched off. */
  | 'enforcement-never'
  /** No rule of this direction selects the endpoint. */
  | 'no-rules'
  | 'denied-by-rule'
  | 'allowed-by-rule'
  /** The connection is allowed as far as the proxy, which refuses the request or the server name. */
  | 'denied-by-l7'
  /** The node may always reach its endpoints. */
  | 'allow-localhost'
  /** Rules select the endpoint, none decides, and none of them asks for default deny. */
  | 'default-allow'
  /** Nothing allows it. */
  | 'default-deny';

/** Why what no rule allows is denied: rules that ask for it, or how the endpoint is enforced. */
export interface DefaultDeny {
  readonly why: 'rule' | 'enforcement-always' | 'init';
  /** Every rule that asks for it, in order of resource and rule. */
  readonly rules: readonly RuleReference[];
}

/** A proxy that a connection goes through. */
export interface RedirectExplanation {
  readonly parser: string;
  /** Rules whose layer-7 rules, server names or listener it has to hold requests against. */
  readonly rules: readonly RuleReference[];
  /** What lets everything pass in spite of them, if anything does. */
  readonly opened?: { readonly why: string; readonly by?: RuleReference };
  /** Server names that it lets pass; absent where it does not look at them. */
  readonly serverNames?: readonly string[];
  /** Whether it lets the request pass; `undefined` where the question held none, or only the proxy can know. */
  readonly passes: boolean | undefined;
}

/** The verdict of the policies of one side. */
export interface DirectionExplanation {
  readonly direction: Direction;
  readonly verdict: 'allowed' | 'denied';
  /** The same as the compiled row says; `allow` for what a proxy takes, whatever that makes of the request. */
  readonly action: RowAction;
  readonly match: MatchType;
  readonly enforced: boolean;
  readonly reason: DecisionReason;
  /** The tier that decided, where a rule or default deny did. */
  readonly tier?: Tier;
  /** Present where a rule decided. */
  readonly deciding?: RuleReference;
  /** Present where an allowed connection goes through a proxy. */
  readonly redirect?: RedirectExplanation;
  /** Present where what no rule allows is denied. */
  readonly defaultDeny?: DefaultDeny;
  /** Log texts of the rules that gave the verdict, sorted. */
  readonly log: readonly string[];
  /**
   * Every rule of this direction that selects the endpoint: the deciding one first, then others that matched, in the
   * order in which they are asked, then the rest.
   */
  readonly candidates: readonly Candidate[];
}

/** What was asked. */
export interface Packet {
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port or ICMP type; 0 for protocols with neither. */
  readonly port: number;
}

/** Whether one identity may reach another, and why. */
export interface Explanation {
  readonly from: Identity;
  readonly to: Identity;
  readonly packet: Packet;
  /** As asked. */
  readonly l7?: L7Request;
  readonly serverName?: string;
  /** Denied where either side denies, unless drops are only audited. */
  readonly verdict: 'allowed' | 'denied';
  /** Whether the packet would have been denied, had not the audit mode let it through. */
  readonly audited: boolean;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
  /** All of it for people, in several lines. */
  readonly text: string;
}
