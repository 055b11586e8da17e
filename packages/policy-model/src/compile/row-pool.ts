import { PolicyModelError } from '../error.ts';
import type { RuleSet } from '../model/rule-set.ts';
import type { PolicyRow, RowBoundary } from './row.ts';
import { MAX_ROW_BOUNDARIES } from './row.ts';
import { verdictText } from './verdict-pool.ts';

/** Makes rows with the same content the same object, for as long as somebody holds them. */
export interface RowPool {
  /**
   * The verdicts of the boundaries must be interned. Throws PolicyModelError `row-too-large`; `owner` says for whom in
   * its message.
   */
  intern(boundaries: readonly RowBoundary[], owner: () => string): PolicyRow;
  /** Rows remembered, those included that nobody holds any more and that were not swept yet. */
  readonly size: number;
}

class InternedRow implements PolicyRow {
  readonly boundaries: readonly RowBoundary[];
  readonly ruleSets: readonly RuleSet[];
  #key: string | undefined;

  constructor(boundaries: readonly RowBoundary[]) {
    this.boundaries = boundaries;
    this.ruleSets = ruleSetsOf(boundaries);
  }

  get key(): string {
    return (this.#key ??= this.boundaries.map(({ start, verdict }) => `${start}${verdictText(verdict)}`).join(','));
  }
}

const NO_RULE_SETS: readonly RuleSet[] = Object.freeze([]);

function ruleSetsOf(boundaries: readonly RowBoundary[]): readonly RuleSet[] {
  let sets: Set<RuleSet> | undefined;
  for (const { verdict } of boundaries) if (verdict.ruleSet !== undefined) (sets ??= new Set()).add(verdict.ruleSet);
  return sets === undefined ? NO_RULE_SETS : Object.freeze([...sets]);
}

/** An empty pool. */
export function createRowPool(): RowPool {
  const buckets = new Map<number, WeakRef<PolicyRow>[]>();
  let size = 0;
  let sweepAt = 1024;
  const sweep = (): void => {
    size = 0;
    for (const [hash, bucket] of buckets) {
      const alive = bucket.filter((reference) => reference.deref() !== undefined);
      if (alive.length === 0) buckets.delete(hash);
      else buckets.set(hash, alive);
      size += alive.length;
    }
    sweepAt = Math.max(1024, size * 2);
  };
  return {
    get size() {
      return size;
    },
    intern(boundaries, owner) {
      if (boundaries.length > MAX_ROW_BOUNDARIES) throw tooLarge(boundaries.length, owner);
      const hash = hashOf(boundaries);
      const bucket = buckets.get(hash);
      for (const reference of bucket ?? []) {
        const known = reference.deref();
        if (known !== undefined && sameBoundaries(known.boundaries, boundaries)) return known;
      }
      const row: PolicyRow = Object.freeze(new InternedRow(Object.freeze(boundaries)));
      if (bucket === undefined) buckets.set(hash, [new WeakRef(row)]);
      else bucket.push(new WeakRef(row));
      if (++size >= sweepAt) sweep();
      return row;
    },
  };
}

function hashOf(boundaries: readonly RowBoundary[]): number {
  let hash = boundaries.length;
  for (const { start, verdict } of boundaries) {
    hash = Math.imul(hash ^ start, 0x01000193);
    hash = Math.imul(hash ^ (verdict.match + 8 * verdict.action.length), 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash;
}

function sameBoundaries(a: readonly RowBoundary[], b: readonly RowBoundary[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i]!.start !== b[i]!.start || a[i]!.verdict !== b[i]!.verdict) return false;
  return true;
}

function tooLarge(count: number, owner: () => string): PolicyModelError {
  const remedy = 'merge ports into ranges, or write fewer rules for the same peers';
  return new PolicyModelError(
    'row-too-large',
    `compile policy for ${owner()}: ${count} changes of verdict over the ports of one peer, at most ${MAX_ROW_BOUNDARIES} fit; ${remedy}`,
  );
}
