import { createWakeup } from './signal.ts';

/** What has become of a record since the subscriber last heard of it; never both undefined. */
export interface Change<R> {
  readonly key: string;
  /** As the subscriber knows it; undefined if it is new to it. */
  readonly before: R | undefined;
  /** As it is now; undefined if it is gone. */
  readonly after: R | undefined;
}

/** Changes that are taken up together; at most one per key, and none where they have cancelled each other out. */
export interface ChangeBatch<R> {
  /** The table's revision that these changes lead to. */
  readonly revision: number;
  /** Whether this is the first batch, with every record that was there, which may be none. */
  readonly initial: boolean;
  readonly changes: readonly Change<R>[];
}

/** Where a table reports to one subscriber. */
export interface ChangeFeed<R> {
  push(change: Change<R>): void;
  /** Batches until `signal` aborts; then the iteration ends. */
  batches(revision: () => number, signal: AbortSignal | undefined): AsyncGenerator<ChangeBatch<R>, void>;
}

/**
 * Keeps for each key what the subscriber does not know yet: a slow one gets fewer and larger batches, and what it has
 * to keep is bounded by the number of keys.
 */
export function createChangeFeed<R>(initial: Iterable<Change<R>> | undefined): ChangeFeed<R> {
  const pending = new Map<string, Change<R>>();
  const wakeup = createWakeup();
  let first = initial !== undefined;
  /** Whether the table has a revision that the subscriber has not heard of. */
  let behind = first;
  for (const change of initial ?? []) pending.set(change.key, change);

  const take = (revision: number): ChangeBatch<R> => {
    const batch = { revision, initial: first, changes: [...pending.values()] };
    first = false;
    behind = false;
    pending.clear();
    return batch;
  };
  return {
    push(change) {
      const earlier = pending.get(change.key);
      const before = earlier === undefined ? change.before : earlier.before;
      if (before === undefined && change.after === undefined) pending.delete(change.key);
      else pending.set(change.key, { key: change.key, before, after: change.after });
      behind = true;
      wakeup.raise();
    },
    async *batches(revision, signal) {
      while (signal?.aborted !== true) {
        if (behind) yield take(revision());
        else await wakeup.wait(signal);
      }
    },
  };
}
