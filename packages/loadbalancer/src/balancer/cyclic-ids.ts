/** Numbers of a range, each with one owner at a time. */
export interface CyclicIds {
  /** How many are in use or reserved. */
  readonly used: number;
  /** A free number: the one after that given last, and around, so that one comes up again only after all others. */
  take(): number | undefined;
  /** That very number, if it is free and in the range. */
  takeExactly(id: number): boolean;
  release(id: number): void;
}

/** Gives out `first` … `last`, at most `limit` at once. */
export function createCyclicIds(first: number, last: number, limit: number = last - first + 1): CyclicIds {
  const used = new Set<number>();
  const capacity = Math.min(limit, last - first + 1);
  let next = first;
  const advance = (id: number): number => (id >= last ? first : id + 1);
  return {
    get used() {
      return used.size;
    },
    take() {
      if (used.size >= capacity) return undefined;
      while (used.has(next)) next = advance(next);
      const id = next;
      used.add(id);
      next = advance(id);
      return id;
    },
    takeExactly(id) {
      if (!Number.isInteger(id) || id < first || id > last || used.has(id) || used.size >= capacity) return false;
      used.add(id);
      if (id >= next) next = advance(id);
      return true;
    },
    release(id) {
      used.delete(id);
    },
  };
}
