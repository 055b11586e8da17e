/** Time, so that tests need not wait. */
export interface Scheduler {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `milliseconds`, or as soon as `signal` aborts. Never rejects, and keeps nothing after either. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** The longest delay that timers take: 2^31 − 1 milliseconds, some 24 days. */
const LONGEST = 2 ** 31 - 1;

/** The machine's clock and timers. */
export const systemScheduler: Scheduler = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.min(Math.max(0, milliseconds), LONGEST));
      signal.addEventListener('abort', finish, { once: true });
    }),
};
