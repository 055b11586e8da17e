import type { RowBoundary, RowVerdict } from './row.ts';
import { MATCH_TYPE, ROW_POSITIONS } from './row.ts';
import type { RowTerm } from './row-term.ts';
import { compareTerms, dropRedundant, matchType } from './row-term.ts';

const DEFAULT_DENY: RowVerdict = { action: 'deny-default', match: MATCH_TYPE.none, proxyPort: 0 };

/**
 * The minimal boundaries that give every position the verdict of the term with the highest precedence covering it, and
 * denial by default where there is none. Takes O(n log n) for n terms: the positions are cut at every begin and end,
 * and terms paint the cuts in order of precedence, skipping those already painted.
 */
export function sweepTerms(input: Iterable<RowTerm>): RowBoundary[] {
  const terms = dropRedundant(input).sort(compareTerms);
  const cuts = cutPoints(terms);
  const painted = new Array<RowTerm | undefined>(cuts.length).fill(undefined);
  const skip = Int32Array.from({ length: cuts.length + 1 }, (_, index) => index);
  const nextUnpainted = (index: number): number => {
    let root = index;
    while (skip[root]! !== root) root = skip[root]!;
    for (let i = index; i !== root; ) [i, skip[i]] = [skip[i]!, root];
    return root;
  };
  const indexOf = new Map(cuts.map((cut, index) => [cut, index]));
  for (const term of terms) {
    const end = indexOf.get(term.end + 1) ?? cuts.length;
    for (let i = nextUnpainted(indexOf.get(term.start)!); i < end; i = nextUnpainted(i)) {
      painted[i] = term;
      skip[i] = i + 1;
    }
  }
  return mergeRuns(cuts, painted);
}

/** Every position at which the set of covering terms can change, ascending, 0 included. */
function cutPoints(terms: readonly RowTerm[]): number[] {
  const cuts = new Set([0]);
  for (const { start, end } of terms) {
    cuts.add(start);
    if (end + 1 < ROW_POSITIONS) cuts.add(end + 1);
  }
  return [...cuts].sort((a, b) => a - b);
}

function mergeRuns(cuts: readonly number[], painted: readonly (RowTerm | undefined)[]): RowBoundary[] {
  const boundaries: RowBoundary[] = [];
  cuts.forEach((start, index) => {
    const term = painted[index];
    const verdict = term === undefined ? DEFAULT_DENY : termVerdict(term);
    const last = boundaries.at(-1)?.verdict;
    if (last?.action !== verdict.action || last.match !== verdict.match) boundaries.push({ start, verdict });
  });
  return boundaries;
}

function termVerdict(term: RowTerm): RowVerdict {
  return { action: term.action === 'deny' ? 'deny' : 'allow', match: matchType(term), proxyPort: 0 };
}
