/** A point in time, to be compared with grace periods: greater is later. */
export type GraceMark = number;

/** Knows which points in time lie a whole grace period back, and runs as few of them as possible. */
export interface GraceTracker {
  /** Now: what was unlinked before this call is unused once `passed` or `wait` say so. */
  mark(): GraceMark;
  /** Has a whole grace period gone by since `mark`? */
  passed(mark: GraceMark): boolean;
  /** Resolves when a whole grace period has gone by since `mark`; starts one if need be. Rejects when the kernel refuses. */
  wait(mark: GraceMark): Promise<void>;
  /** Starts a grace period for `mark` in the background. A failure is met again by the next `wait`. */
  start(mark: GraceMark): void;
}

/** A tracker over the kernel's grace period (or its twin). */
export function createGraceTracker(gracePeriod: () => Promise<void>): GraceTracker {
  let clock = 0;
  let passed = 0;
  let running: { readonly began: GraceMark; readonly done: Promise<void> } | undefined;

  const run = (): Promise<void> => {
    const began = clock;
    const done = gracePeriod().then(
      () => {
        passed = began;
        running = undefined;
      },
      (error: unknown) => {
        running = undefined;
        throw error;
      },
    );
    running = { began, done };
    return done;
  };

  const wait = async (mark: GraceMark): Promise<void> => {
    while (passed < mark) {
      if (running !== undefined && running.began < mark) await running.done.catch(() => undefined);
      else await (running?.done ?? run());
    }
  };

  return {
    mark: () => ++clock,
    passed: (mark) => passed >= mark,
    wait,
    start: (mark) => {
      // Not before this turn's other marks are taken, which the same grace period then serves.
      queueMicrotask(() => wait(mark).catch(() => undefined));
    },
  };
}
