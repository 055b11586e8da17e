import { errorCode, errorMessage } from '@cilium-ts/core';

/**
 * - `pending`: has to be applied or removed, and was not tried in its present form
 * - `ok`: is as wanted, as far as anyone knows
 * - `failing`: the last try failed; will be tried again
 * - `held`: must go, but nothing is removed before all sources have synchronised
 */
export type ObjectState = 'pending' | 'ok' | 'failing' | 'held';

/** How an object is doing. */
export interface ObjectHealth {
  readonly key: string;
  readonly state: ObjectState;
  /** What has to be done, or was done last. */
  readonly action: 'apply' | 'remove';
  /** Failures in a row. */
  readonly attempts: number;
  /** When the object came into this state, in milliseconds since 1970. */
  readonly since: number;
  /** When it is tried again, for failing ones. */
  readonly retryAt: number | undefined;
  /** Message and code of the last failure, for failing ones. */
  readonly error: string | undefined;
  readonly code: string | undefined;
}

/** How long to wait after failures in a row, in milliseconds. */
export interface Backoff {
  readonly initial: number;
  readonly factor: number;
  readonly max: number;
}

/** The delay after that many failures in a row. */
export function backoffDelay({ initial, factor, max }: Backoff, attempts: number): number {
  return Math.min(max, initial * factor ** (attempts - 1));
}

/** The states of all objects that are wanted or still have to go. */
export interface HealthBook {
  get(key: string): ObjectHealth | undefined;
  all(): Iterable<ObjectHealth>;
  /** Those that are failing. */
  failing(): Iterable<ObjectHealth>;
  /** How many are in that state. */
  count(state: ObjectState): number;
  set(key: string, state: Exclude<ObjectState, 'failing'>, action: 'apply' | 'remove'): void;
  /** Records a failure and when to try again. */
  fail(key: string, action: 'apply' | 'remove', error: unknown): ObjectHealth;
  forget(key: string): void;
}

/** An empty book. */
export function createHealthBook(backoff: Backoff, now: () => number): HealthBook {
  const objects = new Map<string, ObjectHealth>();
  const failing = new Map<string, ObjectHealth>();
  const counts: Record<ObjectState, number> = { pending: 0, ok: 0, failing: 0, held: 0 };
  const put = (health: ObjectHealth): ObjectHealth => {
    const before = objects.get(health.key);
    if (before !== undefined) counts[before.state]--;
    counts[health.state]++;
    const since = before?.state === health.state && before.action === health.action ? before.since : health.since;
    const kept = { ...health, since };
    objects.set(health.key, kept);
    if (kept.state === 'failing') failing.set(kept.key, kept);
    else failing.delete(kept.key);
    return kept;
  };
  return {
    get: (key) => objects.get(key),
    all: () => objects.values(),
    failing: () => failing.values(),
    count: (state) => counts[state],
    set(key, state, action) {
      put({ key, state, action, attempts: 0, since: now(), retryAt: undefined, error: undefined, code: undefined });
    },
    fail(key, action, error) {
      const before = objects.get(key);
      const attempts = (before?.action === action ? before.attempts : 0) + 1;
      const retryAt = now() + backoffDelay(backoff, attempts);
      return put({ key, state: 'failing', action, attempts, since: now(), retryAt, error: errorMessage(error), code: errorCode(error) });
    },
    forget(key) {
      const before = objects.get(key);
      if (before !== undefined) counts[before.state]--;
      objects.delete(key);
      failing.delete(key);
    },
  };
}
