import { ROW_POSITIONS } from './row.ts';
import type { RowVerdict } from './row.ts';
import type { RowTerm } from './row-term.ts';
import { compareTerms, matchType, mayYield, termKey, tierNumber } from './row-term.ts';
import { plainVerdict } from './verdict-pool.ts';

/** A term with what was found out of it once and for all. */
export interface SortedTerm extends RowTerm {
  /** Set for one that the same permission for everybody makes superfluous: it counts for proxies only. */
  readonly yields: boolean;
  /** The verdict that it gives by itself; of one that passes it is never looked at. */
  readonly verdict: RowVerdict;
}

/** Terms in order of precedence, and the positions cut at every begin and end of one. Terms go by rank, positions by cut. */
export interface TermSpace {
  readonly terms: readonly SortedTerm[];
  /** Positions, ascending, the first 0. */
  readonly cuts: Int32Array;
  /** By rank: the first cut of the term, and the one past its last. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Ranks at which the tiers `normal` and `baseline` begin. */
  readonly normal: number;
  readonly baseline: number;
}

/** Sorts terms, without repetitions, and says where each term of the input has gone. */
export function createTermSpace(input: readonly RowTerm[]): TermSpace & { readonly ranks: ReadonlyMap<RowTerm, number> } {
  const forEverybody = new Set<string>();
  for (const term of input) if (!term.namesPeer) forEverybody.add(termKey(term, false));
  const sorted = [...input].sort((a, b) => compareTerms(a, b) || Number(a.extras !== undefined) - Number(b.extras !== undefined));
  const terms: SortedTerm[] = [];
  const ranks = new Map<RowTerm, number>();
  for (const term of sorted) {
    const before = terms.at(-1);
    if (before === undefined || before.extras !== term.extras || before.action !== term.action || compareTerms(before, term) !== 0) {
      const yields = forEverybody.size > 0 && mayYield(term) && forEverybody.has(termKey(term, false));
      terms.push({ ...term, yields, verdict: plainVerdict(term.action === 'deny' ? 'deny' : 'allow', matchType(term)) });
    }
    ranks.set(term, terms.length - 1);
  }
  return { terms, ranks, ...cutTerms(terms), normal: firstOfTier(terms, 1), baseline: firstOfTier(terms, 2) };
}

function cutTerms(terms: readonly RowTerm[]): Pick<TermSpace, 'cuts' | 'first' | 'last'> {
  const points = new Int32Array(2 * terms.length + 1);
  let count = 1;
  for (const { start, end } of terms) {
    points[count++] = start;
    if (end + 1 < ROW_POSITIONS) points[count++] = end + 1;
  }
  const sorted = points.subarray(0, count).sort();
  let unique = 1;
  for (let i = 1; i < count; i++) if (sorted[i] !== sorted[i - 1]) sorted[unique++] = sorted[i]!;
  const cuts = sorted.subarray(0, unique);
  const places = new Map<number, number>();
  cuts.forEach((cut, i) => places.set(cut, i));
  const first = Int32Array.from(terms, ({ start }) => places.get(start)!);
  const last = Int32Array.from(terms, ({ end }) => places.get(end + 1) ?? cuts.length);
  return { cuts, first, last };
}

function firstOfTier(terms: readonly RowTerm[], tier: number): number {
  const index = terms.findIndex((term) => tierNumber(term) >= tier);
  return index < 0 ? terms.length : index;
}
