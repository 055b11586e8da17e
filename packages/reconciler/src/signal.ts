/** A flag that can be raised and awaited; raising it while nobody waits is remembered. */
export interface Wakeup {
  raise(): void;
  /** Resolves at the next raise, or at once if there was one since the last wait; when `signal` aborts as well. */
  wait(signal?: AbortSignal): Promise<void>;
}

/** A lowered flag. */
export function createWakeup(): Wakeup {
  let raised = false;
  let resolve: (() => void) | undefined;
  return {
    raise() {
      raised = true;
      resolve?.();
    },
    async wait(signal) {
      if (!raised && signal?.aborted !== true) {
        await new Promise<void>((done) => {
          const finish = (): void => {
            signal?.removeEventListener('abort', finish);
            done();
          };
          resolve = finish;
          signal?.addEventListener('abort', finish, { once: true });
        });
        resolve = undefined;
      }
      raised = false;
    },
  };
}
