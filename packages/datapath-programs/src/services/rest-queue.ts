import type { GraceMark, GraceTracker } from '../write/grace.ts';

/** What is to be done once nobody can be under what was unlinked: in the order in which it was unlinked. */
export interface RestQueue {
  /** How much is waiting. */
  readonly pending: number;
  /** Has `action` called by the first `reclaim` after a grace period. To be called after the unlinking. */
  later(action: () => void): void;
  /** Calls what a grace period has passed for. */
  reclaim(): void;
  /** Waits for a grace period and calls everything that waits now. */
  settle(): Promise<void>;
}

/** An empty queue. */
export function createRestQueue(grace: GraceTracker): RestQueue {
  let waiting: { readonly mark: GraceMark; readonly action: () => void }[] = [];
  const reclaim = (): void => {
    let count = 0;
    while (count < waiting.length && grace.passed(waiting[count]?.mark ?? 0)) count++;
    if (count === 0) return;
    const ready = waiting.slice(0, count);
    waiting = waiting.slice(count);
    for (const { action } of ready) action();
  };
  return {
    get pending() {
      return waiting.length;
    },
    later: (action) => void waiting.push({ mark: grace.mark(), action }),
    reclaim,
    async settle() {
      await grace.wait(grace.mark());
      reclaim();
    },
  };
}
