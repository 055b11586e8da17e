import type { CyclicIds } from './cyclic-ids.ts';

/**
 * Ids of the frontends that lose their service in a change. A service that takes such a frontend over in the same change
 * gets its id with it, for then the kernel leads it elsewhere in place. Until they are given back, nobody else gets them.
 */
export interface DepartingIds {
  /** The frontend with this scoped key has lost its service. */
  leave(key: string, id: number): void;
  /** The id that the frontend had, if it lost its service in this change. */
  claim(key: string): number | undefined;
  /** Gives that id back, if it is waiting. */
  release(id: number): void;
  /** Gives back what nobody claimed. */
  releaseAll(): void;
}

/** None yet; they are given back to `ids`. */
export function createDepartingIds(ids: CyclicIds): DepartingIds {
  const byKey = new Map<string, number>();
  const keys = new Map<number, string>();
  const take = (key: string, id: number): void => {
    byKey.delete(key);
    keys.delete(id);
  };
  return {
    leave(key, id) {
      byKey.set(key, id);
      keys.set(id, key);
    },
    claim(key) {
      const id = byKey.get(key);
      if (id !== undefined) take(key, id);
      return id;
    },
    release(id) {
      const key = keys.get(id);
      if (key === undefined) return;
      take(key, id);
      ids.release(id);
    },
    releaseAll() {
      for (const id of keys.keys()) ids.release(id);
      byKey.clear();
      keys.clear();
    },
  };
}
