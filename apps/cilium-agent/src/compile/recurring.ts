/** How a recurring job fares. */
export interface RecurringStats {
  runs: number;
  failures: number;
  lastError: string | undefined;
  lastSuccess: Date | undefined;
  lastFailure: Date | undefined;
  consecutiveFailures: number;
}

/** A job that never ran. */
export const noRuns = (): RecurringStats => ({ runs: 0, failures: 0, lastError: undefined, lastSuccess: undefined, lastFailure: undefined, consecutiveFailures: 0 });

/** How long to wait before the next attempt (milliseconds): ever longer. */
export const retryDelay = ({ consecutiveFailures }: RecurringStats): number => Math.min(30_000, 500 * 2 ** Math.min(consecutiveFailures, 10));
