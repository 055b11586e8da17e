import { PolicyModelError } from '../error.ts';
import type { PolicyRow, RowAction, RowBoundary } from './row.ts';
import { MAX_ROW_BOUNDARIES } from './row.ts';

/** Makes rows with the same content the same object, for as long as somebody holds them. */
export interface RowPool {
  /** Throws PolicyModelError `row-too-large`; `owner` says for whom in its message. */
  intern(boundaries: readonly RowBoundary[], owner: () => string): PolicyRow;
  /** Rows remembered, those included that nobody holds any more and that were not swept yet. */
  readonly size: number;
}

const LETTER: Readonly<Record<RowAction, string>> = { 'deny-default': 'n', allow: 'a', deny: 'd' };

/** An empty pool. */
export function createRowPool(): RowPool {
  const rows = new Map<string, WeakRef<PolicyRow>>();
  let sweepAt = 1024;
  const sweep = (): void => {
    for (const [key, reference] of rows) if (reference.deref() === undefined) rows.delete(key);
    sweepAt = Math.max(1024, rows.size * 2);
  };
  return {
    get size() {
      return rows.size;
    },
    intern(boundaries, owner) {
      if (boundaries.length > MAX_ROW_BOUNDARIES) {
        const remedy = 'merge ports into ranges, or write fewer rules for the same peers';
        throw new PolicyModelError(
          'row-too-large',
          `compile policy for ${owner()}: ${boundaries.length} changes of verdict over the ports of one peer, at most ${MAX_ROW_BOUNDARIES} fit; ${remedy}`,
        );
      }
      const key = boundaries.map(({ start, verdict }) => `${start}${LETTER[verdict.action]}${verdict.match}`).join(',');
      const known = rows.get(key)?.deref();
      if (known !== undefined) return known;
      const row: PolicyRow = Object.freeze({ key, boundaries: Object.freeze([...boundaries]) });
      rows.set(key, new WeakRef(row));
      if (rows.size >= sweepAt) sweep();
      return row;
    },
  };
}
