import type { Json, Party, SimOptions, SimPacket, Tables } from './tables.ts';

/** All that deciding needs to know besides the two parties. */
export interface Context {
  readonly documents: readonly Json[];
  readonly tables: Tables;
  readonly options: SimOptions;
}

export type Side = 'ingress' | 'egress';

/** One entry of one policy, as questions that can be asked of it. */
export interface Entry {
  /** For messages: resource and path. */
  readonly where: string;
  readonly side: Side;
  readonly tier: 'admin' | 'normal' | 'baseline';
  /** Of the tiers `admin` and `baseline`. */
  readonly order: { readonly priority: number; readonly key: string; readonly index: number };
  readonly action: 'allow' | 'deny' | 'pass';
  readonly defaultDeny: boolean;
  /** Whether a proxy has to look at some of what it allows. */
  readonly proxied: boolean;
  selects(subject: Party): boolean;
  matchesPeer(peer: Party): boolean;
  /**
   * The port rules that cover the packet, each with what a proxy has to check, or how many ports it opens without; none:
   * the entry is not about the packet. `receiver` is the party whose port it is.
   */
  matchesPort(packet: SimPacket, receiver: Party): readonly (ProxyAsk | Unchecked)[];
}

/** What a port rule without conditions is about: the packet's port alone, or others too. */
export type Unchecked = 'the port' | 'ports';

/** What one port rule asks of a proxy. */
export interface ProxyAsk {
  readonly parser: string;
  /** The parser, and the listener's own name: what asks have to share in order to be united. */
  readonly name: string;
  /** Smaller wins. */
  readonly rank: number;
  readonly serverNames: readonly string[];
  /** Empty: the rule has no layer 7 rules. */
  readonly rules: readonly Json[];
}
