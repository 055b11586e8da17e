import type { RowBoundary, RowVerdict } from './row.ts';
import { MATCH_TYPE } from './row.ts';
import type { RowTerm } from './row-term.ts';
import type { TermSpace } from './term-space.ts';
import { createTermSpace } from './term-space.ts';
import { plainVerdict } from './verdict-pool.ts';

/** What becomes of positions besides what the terms say of them. */
export interface SweepSettings {
  /** Whether what the tier `normal` leaves open is denied; else it goes to `baseline`, and then it is allowed. */
  readonly defaultDeny: boolean;
}

/** Some terms of a space, and who of them decides each cut between them. */
export interface SweptCuts {
  readonly space: TermSpace;
  /** The terms, ascending. */
  readonly ranks: Int32Array;
  /** How many cuts there are; others of the space do not matter to these terms. */
  readonly size: number;
  /** By cut: rank of the term that decides, or -1. */
  readonly winners: Int32Array;
  /** The number of a cut of the space, or `size` for its end. */
  numberOf(cut: number): number;
}

/** Refines the verdict of a cut whose deciding term stands beside others with something to add. */
export type Refine = (swept: SweptCuts) => (cut: number, verdict: RowVerdict) => RowVerdict;

/** Makes the rows of one space. */
export interface RowSweeper {
  /**
   * The minimal boundaries that give every position its verdict, tier by tier: in each the term with the highest
   * precedence that covers the position. Ranks must be ascending. Takes about as many steps as there are terms and cuts:
   * terms paint the cuts in order of precedence, skipping those already painted. `refine` is asked for each cut.
   */
  sweep(ranks: Int32Array, settings: SweepSettings, refine?: Refine): RowBoundary[];
}

/** A sweeper, with the memory that it uses again for every row. */
export function createRowSweeper(space: TermSpace): RowSweeper {
  return new Sweeper(space);
}

/** The row of terms in any order, without extras. */
export function sweepTerms(input: Iterable<RowTerm>, settings: SweepSettings = { defaultDeny: true }): RowBoundary[] {
  const { space } = createTermSpace([...input]);
  return createRowSweeper(space).sweep(allRanks(space), settings);
}

/** Ranks of all terms of a space. */
export function allRanks({ terms }: TermSpace): Int32Array {
  return Int32Array.from(terms, (_term, rank) => rank);
}

const DEFAULT_DENY = plainVerdict('deny-default', MATCH_TYPE.none);
const ALLOWED = plainVerdict('allow', MATCH_TYPE.all);

class Sweeper implements RowSweeper, SweptCuts {
  readonly space: TermSpace;
  readonly winners: Int32Array;
  ranks: Int32Array = new Int32Array(0);
  size = 0;
  /** Cuts of the space that matter, a bit each. */
  readonly #marks: Uint32Array;
  /** By number: the cut of the space; and the other way round. */
  readonly #cuts: Int32Array;
  readonly #numbers: Int32Array;
  /** By number: the next that may be unpainted; a forest whose roots are the unpainted ones. */
  readonly #skip: Int32Array;

  constructor(space: TermSpace) {
    this.space = space;
    const { length } = space.cuts;
    this.#marks = new Uint32Array((length + 31) >> 5);
    this.#cuts = new Int32Array(length);
    this.#numbers = new Int32Array(length + 1);
    this.#skip = new Int32Array(length + 1);
    this.winners = new Int32Array(length);
  }

  sweep(ranks: Int32Array, { defaultDeny }: SweepSettings, refine?: Refine): RowBoundary[] {
    this.ranks = ranks;
    this.#numberCuts();
    const rest = this.#paint(defaultDeny);
    const refined = refine?.(this);
    const { size, winners, space } = this;
    const boundaries: RowBoundary[] = [];
    let last: RowVerdict | undefined;
    for (let cut = 0; cut < size; cut++) {
      const winner = winners[cut]!;
      const own = winner < 0 ? rest : space.verdicts[winner]!;
      const verdict = refined === undefined ? own : refined(cut, own);
      if (verdict !== last) boundaries.push({ start: space.cuts[this.#cuts[cut]!]!, verdict });
      last = verdict;
    }
    return boundaries;
  }

  numberOf(cut: number): number {
    return this.#numbers[cut]!;
  }

  /** Numbers the cuts at which one of the terms begins or ends, and position 0. */
  #numberCuts(): void {
    const marks = this.#marks;
    const { first, last, cuts } = this.space;
    marks.fill(0);
    marks[0] = 1;
    for (const rank of this.ranks) {
      const begin = first[rank]!;
      const end = last[rank]!;
      marks[begin >> 5]! |= 1 << (begin & 31);
      if (end < cuts.length) marks[end >> 5]! |= 1 << (end & 31);
    }
    let size = 0;
    for (let word = 0; word < marks.length; word++) {
      for (let bits = marks[word]!; bits !== 0; bits &= bits - 1) {
        const cut = (word << 5) + 31 - Math.clz32(bits & -bits);
        this.#numbers[cut] = size;
        this.#cuts[size] = cut;
        this.#skip[size] = size;
        this.winners[size++] = -1;
      }
    }
    this.#numbers[cuts.length] = size;
    this.#skip[size] = size;
    this.size = size;
  }

  /** Paints tier after tier; returns the verdict of what stays unpainted. */
  #paint(defaultDeny: boolean): RowVerdict {
    const { normal, baseline } = this.space;
    let next = 0;
    if (normal > 0) {
      next = this.#paintUpTo(normal, 0);
      this.#reopenPassed();
    }
    next = this.#paintUpTo(baseline, next);
    if (defaultDeny) return DEFAULT_DENY;
    this.#paintUpTo(Infinity, next);
    return ALLOWED;
  }

  /** Paints the terms from that place on whose rank is below the limit; returns the place of the first beyond. */
  #paintUpTo(limit: number, from: number): number {
    const { ranks, winners, space } = this;
    const { yields, first, last } = space;
    const skip = this.#skip;
    const numbers = this.#numbers;
    let place = from;
    for (; place < ranks.length && ranks[place]! < limit; place++) {
      const rank = ranks[place]!;
      if (yields?.[rank] === true) continue;
      const end = numbers[last[rank]!]!;
      for (let i = unpainted(skip, numbers[first[rank]!]!); i < end; i = unpainted(skip, i)) {
        winners[i] = rank;
        skip[i] = i + 1;
      }
    }
    return place;
  }

  /** What the tier `admin` passed on is open again; the forest is made anew, since its paths skip such cuts. */
  #reopenPassed(): void {
    for (let i = this.size - 1; i >= 0; i--) {
      const winner = this.winners[i]!;
      if (winner >= 0 && this.space.terms[winner]!.action === 'pass') this.winners[i] = -1;
      this.#skip[i] = this.winners[i]! < 0 ? i : i + 1;
    }
  }
}

function unpainted(skip: Int32Array, index: number): number {
  let root = index;
  while (skip[root]! !== root) root = skip[root]!;
  for (let i = index; i !== root; ) {
    const next = skip[i]!;
    skip[i] = root;
    i = next;
  }
  return root;
}
