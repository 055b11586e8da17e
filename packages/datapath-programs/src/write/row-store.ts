import { rowReference, MAX_ROW_LENGTH, rowReferenceCount, rowReferenceOffset } from '@cilium-ts/datapath-layout';
import type { WordArray } from '../ports.ts';
import type { PolicyRowShape } from '../state/desired.ts';
import type { GraceMark, GraceTracker } from './grace.ts';
import { boundaryWords, rowKey } from './row-content.ts';
import { createRowSpace } from './row-space.ts';

/** A row in the kernel. Rows with the same content are one row, whoever uses them. */
export interface StoredRow {
  /** Content: the words, joined. */
  readonly key: string;
  readonly reference: number;
  /** Policy entries and cells that refer to it. */
  uses: number;
  /** Since when nobody does. */
  unusedSince: GraceMark | undefined;
}

/** Rows of policies in the kernel, by content. */
export interface RowStore {
  /** Words that a policy could still use at most. */
  readonly free: number;
  /** The row with this content, one use added; written if it was not there. Undefined when there is no room. */
  acquire(row: PolicyRowShape): StoredRow | undefined;
  /** One use more of a row that is in use. */
  share(row: StoredRow): StoredRow;
  /** One use less. The words stay until a grace period has gone by. */
  release(row: StoredRow): void;
  /** Adopts a row found in the kernel, one use added. Undefined when the reference makes no sense. */
  adopt(reference: number): StoredRow | undefined;
  /** Frees what has been unused for a grace period. */
  reclaim(): void;
}

/** The row store over the words of cilium_rows. */
export function createRowStore(words: WordArray, grace: GraceTracker): RowStore {
  const space = createRowSpace(words.length, 1);
  const byKey = new Map<string, StoredRow>();
  const byReference = new Map<number, StoredRow>();
  const unused = new Set<StoredRow>();

  const use = (row: StoredRow): StoredRow => {
    row.uses++;
    row.unusedSince = undefined;
    unused.delete(row);
    return row;
  };
  const insert = (key: string, reference: number): StoredRow => {
    const row: StoredRow = { key, reference, uses: 1, unusedSince: undefined };
    byKey.set(key, row);
    byReference.set(reference, row);
    return row;
  };

  return {
    get free() {
      return space.free;
    },
    share: use,
    acquire(shape) {
      const key = rowKey(shape);
      const known = byKey.get(key);
      if (known !== undefined) return use(known);
      const values = boundaryWords(shape);
      const offset = space.take(values.length);
      if (offset === undefined) return undefined;
      values.forEach((value, index) => words.store(offset + index, value));
      return insert(key, rowReference(offset, values.length));
    },
    release(row) {
      row.uses--;
      if (row.uses > 0) return;
      row.unusedSince = grace.mark();
      unused.add(row);
    },
    adopt(reference) {
      const known = byReference.get(reference);
      if (known !== undefined) return use(known);
      const [offset, count] = [rowReferenceOffset(reference), rowReferenceCount(reference)];
      if (offset === 0 || count === 0 || count > MAX_ROW_LENGTH || offset + count > words.length) return undefined;
      if (!space.claim(offset, count)) return undefined;
      const content = Array.from({ length: count }, (_, index) => words.load(offset + index));
      return insert(content.join(), reference);
    },
    reclaim() {
      for (const row of unused) {
        if (row.unusedSince === undefined || !grace.passed(row.unusedSince)) continue;
        unused.delete(row);
        if (byKey.get(row.key) === row) byKey.delete(row.key);
        byReference.delete(row.reference);
        space.give(rowReferenceOffset(row.reference), rowReferenceCount(row.reference));
      }
    },
  };
}
