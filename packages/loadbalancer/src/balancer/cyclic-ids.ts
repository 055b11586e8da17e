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

/** Gives out `first` … `last`, at most `limit` at once. Takes a byte per number of the range. */
export function createCyclicIds(first: number, last: number, limit: number = last - first + 1): CyclicIds {
  const taken = new Uint8Array(last - first + 1);
  const capacity = Math.min(limit, taken.length);
  let used = 0;
  let next = first;
  const mark = (id: number): void => {
    taken[id - first] = 1;
    used++;
    if (id >= next) next = id === last ? first : id + 1;
  };
  return {
    get used() {
      return used;
    },
    take() {
      if (used >= capacity) return undefined;
      while (taken[next - first] === 1) next = next === last ? first : next + 1;
      const id = next;
      mark(id);
      return id;
    },
    takeExactly(id) {
      if (used >= capacity || taken[id - first] !== 0) return false;
      mark(id);
      return true;
    },
    release(id) {
      if (taken[id - first] !== 1) return;
      taken[id - first] = 0;
      used--;
    },
  };
}
