/**
 * Hands out runs of words in blocks of powers of two, each at a multiple of its size (a buddy allocator): Maglev
 * tables are just below a power of two, small runs are small, and blocks join again however they come back.
 */
export interface RunSpace {
  /** The offset of a free run of so many words, or undefined when no block is large enough. */
  take(count: number): number | undefined;
  /** Takes exactly this run, as a previous process did. False when that is impossible or part of it is taken. */
  claim(offset: number, count: number): boolean;
  /** Gives a run back. */
  give(offset: number, count: number): void;
}

/** Space of `size` words, all free. */
export function createRunSpace(size: number): RunSpace {
  const top = Math.floor(Math.log2(size));
  /** By order: offsets of free blocks of 2^order words. */
  const free = Array.from({ length: top + 1 }, () => new Set<number>());
  const blocks = (order: number): Set<number> => free[order] ?? new Set();
  for (let order = top, offset = 0; order >= 0; order--) {
    if (offset + 2 ** order > size) continue;
    blocks(order).add(offset);
    offset += 2 ** order;
  }

  /** Cuts a free block until `offset` begins one of `order`, which is then not free any more. */
  const cut = (from: { base: number; order: number }, offset: number, order: number): void => {
    let { base } = from;
    blocks(from.order).delete(base);
    for (let each = from.order - 1; each >= order; each--) {
      const half = base + 2 ** each;
      const upper = offset >= half;
      blocks(each).add(upper ? base : half);
      if (upper) base = half;
    }
  };

  return {
    take(count) {
      const order = orderOf(count);
      for (let each = order; each <= top; each++) {
        const [base] = blocks(each);
        if (base === undefined) continue;
        cut({ base, order: each }, base, order);
        return base;
      }
      return undefined;
    },
    claim(offset, count) {
      const order = orderOf(count);
      if (offset % 2 ** order !== 0) return false;
      for (let each = order; each <= top; each++) {
        const base = offset - (offset % 2 ** each);
        if (!blocks(each).has(base)) continue;
        cut({ base, order: each }, offset, order);
        return true;
      }
      return false;
    },
    give(offset, count) {
      let base = offset;
      let order = orderOf(count);
      for (; order < top; order++) {
        const buddy = (base / 2 ** order) % 2 === 0 ? base + 2 ** order : base - 2 ** order;
        if (!blocks(order).delete(buddy)) break;
        base = Math.min(base, buddy);
      }
      blocks(order).add(base);
    },
  };
}

/** The order of the smallest block that holds so many words. */
export function orderOf(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}
