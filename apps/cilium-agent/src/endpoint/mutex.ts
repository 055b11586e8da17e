/** Lets one through at a time for each key. */
export const createKeyedMutex = (): (<T>(key: number, run: () => Promise<T>) => Promise<T>) => {
  const tails = new Map<number, Promise<unknown>>();
  return (key, run) => {
    const before = tails.get(key) ?? Promise.resolve();
    const mine = before.then(run, run);
    const tail = mine.catch(() => undefined);
    tails.set(key, tail);
    void tail.then(() => { if (tails.get(key) === tail) tails.delete(key); });
    return mine;
  };
};
