import type { RuleAction } from '../model/rule.ts';
import type { MatchType } from './row.ts';
import { MATCH_TYPE, POSITIONS_PER_PROTOCOL, ROW_POSITIONS } from './row.ts';

/** What one rule says about a range of positions, for one peer. */
export interface RowTerm {
  /** First and last position, inclusive. */
  readonly start: number;
  readonly end: number;
  readonly action: RuleAction;
  /** Whether the rule chose the peer, rather than being about everybody. */
  readonly namesPeer: boolean;
}

/** The match type that a term gives where it decides. */
export function matchType(term: RowTerm): MatchType {
  const width = term.end - term.start + 1;
  if (width === ROW_POSITIONS) return term.namesPeer ? MATCH_TYPE.l3Only : MATCH_TYPE.all;
  if (width === POSITIONS_PER_PROTOCOL) return term.namesPeer ? MATCH_TYPE.l3Proto : MATCH_TYPE.protoOnly;
  return term.namesPeer ? MATCH_TYPE.l3L4 : MATCH_TYPE.l4Only;
}

/**
 * Order of precedence, the deciding term first. Deny beats allow. Among denials the widest decides, and one that names
 * no peer before one that does, since either makes the other superfluous; among permissions the narrowest decides, and
 * one that names the peer before one that does not. (Cilium 1.19, `pkg/policy/mapstate.go` and `bpf/lib/policy.h`.)
 */
export function compareTerms(a: RowTerm, b: RowTerm): number {
  if (a.action !== b.action) return a.action === 'deny' ? -1 : 1;
  const sign = a.action === 'deny' ? -1 : 1;
  const width = a.end - a.start - (b.end - b.start);
  if (width !== 0) return sign * width;
  if (a.namesPeer !== b.namesPeer) return sign * (a.namesPeer ? -1 : 1);
  return a.start - b.start;
}

/**
 * The terms without repetitions, and without permissions for a named peer that stand beside the same one for
 * everybody: Cilium keeps only the latter where it names a port, which shows in the match type.
 */
export function dropRedundant(terms: Iterable<RowTerm>): RowTerm[] {
  const byKey = new Map<string, RowTerm>();
  for (const term of terms) byKey.set(termKey(term, term.namesPeer), term);
  return [...byKey.values()].filter((term) => {
    const namesPort = term.end - term.start + 1 < POSITIONS_PER_PROTOCOL;
    return !(term.namesPeer && namesPort && term.action === 'allow' && byKey.has(termKey(term, false)));
  });
}

function termKey(term: RowTerm, namesPeer: boolean): string {
  return `${term.action === 'deny' ? 'd' : 'a'}${namesPeer ? 'p' : '*'}${term.start}-${term.end}`;
}
