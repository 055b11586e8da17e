import type { PolicyOptions } from '../model/options.ts';
import type { Direction, PortTerm, Rule } from '../model/rule.ts';
import { resolvePeer } from './resolve-peer.ts';
import { POSITIONS_PER_PROTOCOL, ROW_POSITIONS } from './row.ts';
import type { RowTerm } from './row-term.ts';
import type { SelectorCache, SelectorNumber } from './selector-cache.ts';

/** A rule with its selectors numbered and its ports as row positions. */
export interface PreparedRule {
  readonly direction: Direction;
  readonly defaultDeny: boolean;
  readonly subject: SelectorNumber;
  /** Peers chosen by selectors that do not choose everybody. */
  readonly peers: readonly SelectorNumber[];
  /** What applies to each of `peers`. */
  readonly peerTerms: readonly RowTerm[];
  /** What applies to everybody. */
  readonly anyTerms: readonly RowTerm[];
}

/** The first and last position of a port term. */
export function portPositions({ protocol, first, last }: Pick<PortTerm, 'protocol' | 'first' | 'last'>): { start: number; end: number } {
  const base = protocol * POSITIONS_PER_PROTOCOL;
  return { start: base + first, end: base + last };
}

/** Prepares a rule for a cache of selectors, which outlives it. */
export function prepareRule(rule: Rule, selectors: SelectorCache, options: PolicyOptions): PreparedRule {
  const { direction, defaultDeny, action } = rule;
  const ranges = rule.ports.kind === 'all' ? [{ start: 0, end: ROW_POSITIONS - 1 }] : rule.ports.ports.map(portPositions);
  const terms = (namesPeer: boolean): RowTerm[] => ranges.map((range) => ({ ...range, action, namesPeer }));
  const chosen = rule.peers.kind === 'peers' ? rule.peers.peers.flatMap((peer) => resolvePeer(peer, options)) : [];
  const everybody = rule.peers.kind === 'any' || chosen.some(({ requirements }) => requirements.length === 0);
  const named = chosen.filter(({ requirements }) => requirements.length > 0);
  return {
    direction,
    defaultDeny,
    subject: selectors.add(rule.subject),
    peers: named.map((one) => selectors.add(one)),
    peerTerms: named.length > 0 ? terms(true) : [],
    anyTerms: everybody ? terms(false) : [],
  };
}
