/** Hands out whole numbers of a range, each to one holder at a time. */
export interface NumberPool {
  /** A free number, going round the range so that a number just given back rests as long as possible; undefined if all are taken. */
  take(): number | undefined;
  /** Takes this very number; false if somebody has it or it is out of range. */
  reserve(number: number): boolean;
  release(number: number): void;
  has(number: number): boolean;
  readonly taken: number;
}

/** A pool of the numbers from `low` to `high`, both included. */
export const createNumberPool = (low: number, high: number): NumberPool => {
  if (!Number.isInteger(low) || !Number.isInteger(high) || high < low) throw new RangeError(`low, high: ${low} to ${high} is no range`);
  const taken = new Set<number>();
  let next = low;
  return {
    take() {
      if (taken.size > high - low) return undefined;
      while (taken.has(next)) next = next === high ? low : next + 1;
      const number = next;
      taken.add(number);
      next = next === high ? low : next + 1;
      return number;
    },
    reserve(number) {
      if (number < low || number > high || !Number.isInteger(number) || taken.has(number)) return false;
      taken.add(number);
      return true;
    },
    release: (number) => void taken.delete(number),
    has: (number) => taken.has(number),
    get taken() {
      return taken.size;
    },
  };
};

/** As {@link createNumberPool}, but always the lowest free number: for what indexes an array and should stay dense. */
export const createDensePool = (low: number, high: number): NumberPool => {
  const pool = createNumberPool(low, high);
  let from = low;
  return {
    ...pool,
    take() {
      for (let number = from; number <= high; number++) {
        if (pool.reserve(number)) {
          from = number + 1;
          return number;
        }
      }
      return undefined;
    },
    release(number) {
      pool.release(number);
      if (number < from && number >= low) from = number;
    },
    get taken() {
      return pool.taken;
    },
  };
};
