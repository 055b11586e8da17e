/** Runs one job at a time; whoever asks gets the outcome of a run that began after the question. */
export interface CommitLoop<T> {
  /** Asks for a run. Several questions before it begins share it. */
  commit(): Promise<T>;
  /** Is a run under way or asked for? */
  readonly busy: boolean;
  /** No run begins after this; the one under way is awaited. Questions that are waiting are refused. */
  close(): Promise<void>;
}

interface Waiting<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

const waiting = <T>(): Waiting<T> => {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => { resolve = yes; reject = no; });
  // Somebody may ask without waiting for the answer.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
};

/** A loop over `job`. A run begins in the next turn of the event loop, so that what happens together is done together. */
export const createCommitLoop = <T>(job: () => Promise<T>): CommitLoop<T> => {
  let next: Waiting<T> | undefined;
  let current: Promise<unknown> | undefined;
  let closed = false;

  const run = async (): Promise<void> => {
    while (next && !closed) {
      const asked = next;
      next = undefined;
      try {
        asked.resolve(await job());
      } catch (error) {
        asked.reject(error);
      }
    }
    current = undefined;
  };

  return {
    commit() {
      if (closed) return Promise.reject(new Error('commit: the agent is stopping'));
      next ??= waiting();
      current ??= new Promise<void>((resolve) => setImmediate(resolve)).then(run);
      return next.promise;
    },
    get busy() {
      return current !== undefined;
    },
    async close() {
      closed = true;
      next?.reject(new Error('commit: the agent is stopping'));
      await current;
    },
  };
};
