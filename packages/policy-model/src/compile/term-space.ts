import type { RowVerdict } from './row.ts';
import { ROW_POSITIONS } from './row.ts';
import type { RowTerm } from './row-term.ts';
import { compareTerms, matchType, mayYield, termKey, tierNumber } from './row-term.ts';
import { plainVerdict } from './verdict-pool.ts';

/** Terms in order of precedence, and the positions cut at every begin and end of one. Terms go by rank, positions by cut. */
export interface TermSpace {
  readonly terms: readonly RowTerm[];
  /** By rank: the verdict that the term gives by itself; of one that passes it is never looked at. */
  readonly verdicts: readonly RowVerdict[];
  /** By rank: whether the same permission for everybody makes the term superfluous, so that it counts for proxies only; absent: none is. */
  readonly yields: readonly boolean[] | undefined;
  /** Positions, ascending, the first 0. */
  readonly cuts: Int32Array;
  /** By rank: the first cut of the term, and the one past its last. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Ranks at which the tiers `normal` and `baseline` begin. */
  readonly normal: number;
  readonly baseline: number;
}

/** Sorts terms, without repetitions, and says which rank each of the input has got. */
export function createTermSpace(input: readonly RowTerm[]): { readonly space: TermSpace; readonly ranks: readonly number[] } {
  const order = input.map((_term, i) => i).sort((a, b) => compareForSpace(input[a]!, input[b]!));
  const terms: RowTerm[] = [];
  const ranks = input.map(() => 0);
  let before: RowTerm | undefined;
  for (const i of order) {
    const term = input[i]!;
    if (before === undefined || (before !== term && (before.extras !== term.extras || before.action !== term.action || compareTerms(before, term) !== 0))) {
      terms.push(term);
      before = term;
    }
    ranks[i] = terms.length - 1;
  }
  const verdicts = terms.map((term) => plainVerdict(term.action === 'deny' ? 'deny' : 'allow', matchType(term)));
  const space = { terms, verdicts, yields: yieldingTerms(terms), ...cutTerms(terms), normal: firstOfTier(terms, 1), baseline: firstOfTier(terms, 2) };
  return { space, ranks };
}

/** Those with something to add stand behind the same without. */
const compareForSpace = (a: RowTerm, b: RowTerm): number => (a === b ? 0 : compareTerms(a, b) || Number(a.extras !== undefined) - Number(b.extras !== undefined));

function yieldingTerms(terms: readonly RowTerm[]): readonly boolean[] | undefined {
  const forEverybody = new Set<string>();
  for (const term of terms) if (!term.namesPeer && term.action === 'allow') forEverybody.add(termKey(term, false));
  if (forEverybody.size === 0) return undefined;
  return terms.map((term) => mayYield(term) && forEverybody.has(termKey(term, false)));
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
  const cuts = sorted.slice(0, unique);
  const first = new Int32Array(terms.length);
  const last = new Int32Array(terms.length);
  terms.forEach(({ start, end }, rank) => {
    first[rank] = placeOf(cuts, start);
    last[rank] = end + 1 < ROW_POSITIONS ? placeOf(cuts, end + 1) : cuts.length;
  });
  return { cuts, first, last };
}

/** Where a position stands among the cuts, of which it is one. */
function placeOf(cuts: Int32Array, position: number): number {
  let low = 0;
  let high = cuts.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cuts[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstOfTier(terms: readonly RowTerm[], tier: number): number {
  const index = terms.findIndex((term) => tierNumber(term) >= tier);
  return index < 0 ? terms.length : index;
}
