import type { ProxyRules } from '../model/l7.ts';
import type { AuthenticationMode, RuleAction, Tier } from '../model/rule.ts';
import type { MatchType } from './row.ts';
import { MATCH_TYPE, POSITIONS_PER_PROTOCOL, ROW_POSITIONS } from './row.ts';

/** The place of a rule among those of the tiers `admin` and `baseline`. */
export interface TermOrder {
  readonly priority: number;
  /** Key of the resource. */
  readonly resource: string;
  readonly index: number;
}

/** What a rule gives to verdicts besides the action. */
export interface TermExtras {
  readonly proxy?: ProxyRules;
  readonly authentication?: AuthenticationMode;
  readonly log?: string;
}

/** What one rule says about a range of positions, for one peer. */
export interface RowTerm {
  /** First and last position, inclusive. */
  readonly start: number;
  readonly end: number;
  readonly action: RuleAction;
  /** Whether the rule chose the peer, rather than being about everybody. */
  readonly namesPeer: boolean;
  /** `normal` where it is not said. */
  readonly tier?: Tier | undefined;
  /** Of terms of the tiers `admin` and `baseline`. */
  readonly order?: TermOrder | undefined;
  readonly extras?: TermExtras | undefined;
}

/** The match type that a term gives where it decides. */
export function matchType(term: RowTerm): MatchType {
  const width = term.end - term.start + 1;
  if (width === ROW_POSITIONS) return term.namesPeer ? MATCH_TYPE.l3Only : MATCH_TYPE.all;
  if (width === POSITIONS_PER_PROTOCOL) return term.namesPeer ? MATCH_TYPE.l3Proto : MATCH_TYPE.protoOnly;
  return term.namesPeer ? MATCH_TYPE.l3L4 : MATCH_TYPE.l4Only;
}

const TIERS: Readonly<Record<Tier, number>> = { admin: 0, normal: 1, baseline: 2 };

/** 0 for `admin`, 1 for `normal`, 2 for `baseline`. */
export function tierNumber({ tier }: Pick<RowTerm, 'tier'>): number {
  return tier === undefined ? 1 : TIERS[tier];
}

/**
 * Order of precedence, the deciding term first. Tiers come one after the other; in `admin` and `baseline` the order of
 * the rules decides before anything else. Deny beats allow. Among denials the widest decides, and one that names no
 * peer before one that does, since either makes the other superfluous; among permissions the narrowest decides, and one
 * that names the peer before one that does not. (Cilium 1.19, `pkg/policy/mapstate.go` and `bpf/lib/policy.h`.)
 */
export function compareTerms(a: RowTerm, b: RowTerm): number {
  const tiers = tierNumber(a) - tierNumber(b) || compareOrders(a.order, b.order);
  if (tiers !== 0) return tiers;
  if (a.action !== b.action) return a.action === 'deny' || (a.action === 'pass' && b.action === 'allow') ? -1 : 1;
  const sign = a.action === 'deny' ? -1 : 1;
  const width = a.end - a.start - (b.end - b.start);
  if (width !== 0) return sign * width;
  if (a.namesPeer !== b.namesPeer) return sign * (a.namesPeer ? -1 : 1);
  return a.start - b.start;
}

/** By priority, then by key of the resource (code units), then by place in it. */
export function compareOrders(a: TermOrder | undefined, b: TermOrder | undefined): number {
  if (a === undefined || b === undefined || a === b) return 0;
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1;
  return a.index - b.index;
}

/**
 * The terms without repetitions, and without permissions for a named peer that stand beside the same one for
 * everybody: Cilium keeps only the latter where it names a port, which shows in the match type.
 */
export function dropRedundant<T extends RowTerm>(terms: Iterable<T>): T[] {
  const byKey = new Map<string, T>();
  for (const term of terms) byKey.set(termKey(term, term.namesPeer), term);
  return [...byKey.values()].filter((term) => !mayYield(term) || !byKey.has(termKey(term, false)));
}

/** Whether the same permission for everybody makes this one superfluous. */
export function mayYield({ start, end, action, namesPeer }: RowTerm): boolean {
  return namesPeer && action === 'allow' && end - start + 1 < POSITIONS_PER_PROTOCOL;
}

/** Equal for terms that say the same, but for whom they name and for their extras. */
export function termKey({ start, end, action, tier, order }: RowTerm, namesPeer: boolean): string {
  const place = order === undefined ? '' : ` ${tier} ${order.priority} ${order.index} ${order.resource}`;
  return `${action[0]}${namesPeer ? 'p' : '*'}${start}-${end}${place}`;
}
