import type { MatchType, RowBoundary, RowVerdict } from './row.ts';
import { MATCH_TYPE, ROW_POSITIONS } from './row.ts';
import type { RowTerm } from './row-term.ts';
import { compareTerms, matchType, mayYield, termKey, tierNumber } from './row-term.ts';
import { plainVerdict } from './verdict-pool.ts';

/** What becomes of positions besides what the terms say of them. */
export interface SweepSettings {
  /** Whether what the tier `normal` leaves open is denied; else it goes to `baseline`, and then it is allowed. */
  readonly defaultDeny: boolean;
}

/** Terms in order of precedence, with what was found out of them once and for all. */
export interface SortedTerm extends RowTerm {
  /** Set for one that the same permission for everybody makes superfluous: it counts for proxies only. */
  readonly yields: boolean;
  /** The verdict that it gives by itself. */
  readonly verdict: RowVerdict;
}

/** The positions cut at every begin and end of a term, and who decides each cut. */
export interface SweptCuts {
  readonly terms: readonly SortedTerm[];
  /** Ascending, the first 0. */
  readonly cuts: Int32Array;
  /** By cut: index of the term that decides, or -1. */
  readonly winners: Int32Array;
  /** First and one past the last cut of a term. */
  range(term: RowTerm): readonly [number, number];
}

/** Refines the verdict of a cut whose deciding term stands beside others with something to add. */
export type Refine = (swept: SweptCuts) => (cut: number, verdict: RowVerdict) => RowVerdict;

/**
 * The minimal boundaries that give every position its verdict, tier by tier: in each the term with the highest
 * precedence that covers the position. Takes O(n log n) for n terms: terms paint the cuts in order of precedence,
 * skipping those already painted. `refine` is asked where terms have extras.
 */
export function sweepSorted(terms: readonly SortedTerm[], settings: SweepSettings, refine?: Refine): RowBoundary[] {
  const cuts = cutPoints(terms);
  const painter = new Painter(terms, cuts);
  const rest = painter.paint(settings);
  const refined = refine?.(painter);
  const boundaries: RowBoundary[] = [];
  let last: RowVerdict | undefined;
  for (let cut = 0; cut < cuts.length; cut++) {
    const winner = painter.winners[cut]!;
    const own = winner < 0 ? rest : terms[winner]!.verdict;
    const verdict = refined === undefined ? own : refined(cut, own);
    if (verdict !== last) boundaries.push({ start: cuts[cut]!, verdict });
    last = verdict;
  }
  return boundaries;
}

const DEFAULT_DENY: SweepSettings = { defaultDeny: true };

/** The same for terms in any order, without extras. */
export function sweepTerms(input: Iterable<RowTerm>, settings: SweepSettings = DEFAULT_DENY): RowBoundary[] {
  return sweepSorted(sortTerms([...input]), settings);
}

/** Sorts terms by precedence, without repetitions, and marks those that yield. */
export function sortTerms(input: readonly RowTerm[]): readonly SortedTerm[] {
  return rankTerms(input).terms;
}

/** The same, and where each term of the input has gone: its index in the sorted ones. */
export function rankTerms(input: readonly RowTerm[]): { readonly terms: readonly SortedTerm[]; readonly ranks: ReadonlyMap<RowTerm, number> } {
  const forEverybody = new Set<string>();
  for (const term of input) if (!term.namesPeer) forEverybody.add(termKey(term, false));
  const sorted = [...input].sort((a, b) => compareTerms(a, b) || Number(a.extras !== undefined) - Number(b.extras !== undefined));
  const terms: SortedTerm[] = [];
  const ranks = new Map<RowTerm, number>();
  for (const term of sorted) {
    const before = terms.at(-1);
    if (before === undefined || before.extras !== term.extras || before.action !== term.action || compareTerms(before, term) !== 0) {
      const yields = forEverybody.size > 0 && mayYield(term) && forEverybody.has(termKey(term, false));
      terms.push({ ...term, yields, verdict: termVerdict(term, matchType(term)) });
    }
    ranks.set(term, terms.length - 1);
  }
  return { terms, ranks };
}

/** The plain verdict of a term. One that passes has none of its own; what it is given is never looked at. */
export function termVerdict({ action }: RowTerm, match: MatchType): RowVerdict {
  return plainVerdict(action === 'deny' ? 'deny' : 'allow', match);
}

/** Every position at which the set of covering terms can change, ascending, 0 included. */
function cutPoints(terms: readonly RowTerm[]): Int32Array {
  const points = new Int32Array(2 * terms.length + 1);
  let count = 1;
  for (const { start, end } of terms) {
    points[count++] = start;
    if (end + 1 < ROW_POSITIONS) points[count++] = end + 1;
  }
  const sorted = points.subarray(0, count).sort();
  let unique = 1;
  for (let i = 1; i < count; i++) if (sorted[i] !== sorted[i - 1]) sorted[unique++] = sorted[i]!;
  return sorted.subarray(0, unique);
}

class Painter implements SweptCuts {
  readonly terms: readonly SortedTerm[];
  readonly cuts: Int32Array;
  readonly winners: Int32Array;
  /** By cut: the next one that may be unpainted; a forest whose roots are the unpainted ones. */
  readonly #skip: Int32Array;

  constructor(terms: readonly SortedTerm[], cuts: Int32Array) {
    this.terms = terms;
    this.cuts = cuts;
    this.winners = new Int32Array(cuts.length).fill(-1);
    this.#skip = new Int32Array(cuts.length + 1);
    for (let i = 0; i <= cuts.length; i++) this.#skip[i] = i;
  }

  /** Paints tier after tier; returns the verdict of what stays unpainted. */
  paint({ defaultDeny }: SweepSettings): RowVerdict {
    const { terms } = this;
    const normal = firstOfTier(terms, 1);
    const baseline = firstOfTier(terms, 2);
    if (normal > 0) {
      this.#paintTerms(0, normal);
      this.#reopenPassed();
    }
    this.#paintTerms(normal, baseline);
    if (defaultDeny) return plainVerdict('deny-default', MATCH_TYPE.none);
    this.#paintTerms(baseline, terms.length);
    return plainVerdict('allow', MATCH_TYPE.all);
  }

  range({ start, end }: RowTerm): readonly [number, number] {
    return [this.#indexOf(start), end + 1 >= ROW_POSITIONS ? this.cuts.length : this.#indexOf(end + 1)];
  }

  #paintTerms(from: number, to: number): void {
    const skip = this.#skip;
    const { terms, winners, cuts } = this;
    for (let index = from; index < to; index++) {
      const term = terms[index]!;
      if (term.yields) continue;
      const last = term.end + 1 >= ROW_POSITIONS ? cuts.length : this.#indexOf(term.end + 1);
      for (let i = this.#unpainted(this.#indexOf(term.start)); i < last; i = this.#unpainted(i)) {
        winners[i] = index;
        skip[i] = i + 1;
      }
    }
  }

  #unpainted(index: number): number {
    const skip = this.#skip;
    let root = index;
    while (skip[root]! !== root) root = skip[root]!;
    for (let i = index; i !== root; ) {
      const next = skip[i]!;
      skip[i] = root;
      i = next;
    }
    return root;
  }

  /** What the tier `admin` passed on is open again; the forest is made anew, since its paths skip such cuts. */
  #reopenPassed(): void {
    for (let i = this.winners.length - 1; i >= 0; i--) {
      const winner = this.winners[i]!;
      if (winner >= 0 && this.terms[winner]!.action === 'pass') this.winners[i] = -1;
      this.#skip[i] = this.winners[i]! < 0 ? i : i + 1;
    }
  }

  /** Index of the cut at a position that is one. */
  #indexOf(position: number): number {
    const { cuts } = this;
    let low = 0;
    let high = cuts.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cuts[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Index of the first term of that tier or a later one. */
function firstOfTier(terms: readonly RowTerm[], tier: number): number {
  let low = 0;
  let high = terms.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tierNumber(terms[middle]!) < tier) low = middle + 1;
    else high = middle;
  }
  return low;
}
