import type { Identity } from '@cilium-ts/identity';
import type { MatchType, RowAction } from '../compile/row.ts';
import type { SourceLocation } from '../model/location.ts';
import type { Direction, RuleAction } from '../model/rule.ts';

/** Points at a rule: the place is that of the port, else the peer, else the entry that matched. */
export interface RuleReference extends SourceLocation {
  /** Key of the resource. */
  readonly resource: string;
  readonly action: RuleAction;
  /** Path of the entry as a whole, such as `spec.ingress[0]`. */
  readonly entry: string;
}

/** A rule that selects the endpoint, and how it fared. */
export interface Candidate {
  readonly rule: RuleReference;
  /** `peer` and `port` say what did not match; `nobody` is a rule that selects no peer at all. */
  readonly outcome: 'matched' | 'peer' | 'port' | 'nobody';
  /** What matched, or why it did not. */
  readonly detail: string;
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
  /** The node may always reach its endpoints. */
  | 'allow-localhost'
  /** Rules select the endpoint, none decides, and none of them asks for default deny. */
  | 'default-allow'
  /** Nothing allows it. */
  | 'default-deny';

/** The verdict of the policies of one side. */
export interface DirectionExplanation {
  readonly direction: Direction;
  readonly verdict: 'allowed' | 'denied';
  /** The same as the compiled row says. */
  readonly action: RowAction;
  readonly match: MatchType;
  readonly enforced: boolean;
  readonly reason: DecisionReason;
  /** Present where a rule decided. */
  readonly deciding?: RuleReference;
  /** Every rule of this direction that selects the endpoint; the deciding one first, then those that matched. */
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
  /** Denied where either side denies, unless drops are only audited. */
  readonly verdict: 'allowed' | 'denied';
  /** Whether the packet would have been denied, had not the audit mode let it through. */
  readonly audited: boolean;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
  /** All of it for people, in several lines. */
  readonly text: string;
}
