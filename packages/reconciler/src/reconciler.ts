import type { Logger } from '@cilium-ts/core';
import { errorMessage } from '@cilium-ts/core';
import { ReconcilerError } from './error.ts';
import type { Backoff, ObjectHealth } from './health.ts';
import { backoffDelay } from './health.ts';
import type { Scheduler } from './scheduler.ts';
import { systemScheduler } from './scheduler.ts';
import { createWakeup } from './signal.ts';
import type { SyncGate } from './sync-gate.ts';
import type { TableReader } from './table.ts';
import type { ReconcileTarget } from './target.ts';
import type { WorkList } from './work-list.ts';
import { createWorkList } from './work-list.ts';

/** What a reconciler as a whole is doing. */
export interface ReconcilerStatus {
  readonly name: string;
  readonly ok: number;
  readonly pending: number;
  readonly failing: number;
  readonly held: number;
  /** Full passes that came to their end. */
  readonly passes: number;
  /** When the last of them ended, in milliseconds since 1970. */
  readonly lastPass: number | undefined;
  /** Why the objects could not be listed, if that is what failed last. */
  readonly listError: string | undefined;
}

/** Keeps what is outside of the process as a table says. Runs from creation to close(). */
export interface Reconciler extends AsyncDisposable {
  readonly name: string;
  status(): ReconcilerStatus;
  /** Every object that is wanted or still has to go. */
  health(): Iterable<ObjectHealth>;
  healthOf(key: string): ObjectHealth | undefined;
  /** Asks for a full pass as soon as possible. */
  trigger(): void;
  /**
   * Resolves when there has been a full pass (or the objects could not be listed), and every change made before this
   * call has been tried: done, failing, or held. Rejects with the signal's reason, and with ReconcilerError `closed`.
   */
  settled(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Aborts the call in progress, waits for its end, and stops. What was applied stays. Idempotent. */
  close(): Promise<void>;
}

/** What a reconciler works on. */
export interface ReconcilerParts<D, A> {
  readonly logger: Logger;
  readonly desired: TableReader<D>;
  readonly target: ReconcileTarget<D, A>;
  /** Until it is open nothing is removed. */
  readonly synchronised: Pick<SyncGate, 'open' | 'wait'>;
  readonly scheduler?: Scheduler;
}

/** How it does so. */
export interface ReconcilerOptions<D, A> {
  readonly name: string;
  /** The key in the table of an object that is there. */
  readonly keyOf: (actual: A) => string;
  /** Whether the object is as wanted; if not, it is applied. */
  readonly matches: (wanted: D, actual: A) => boolean;
  /** Milliseconds between full passes; ten minutes by default. */
  readonly interval?: number;
  /** Wait after failures; 100 ms at first, doubling up to one minute by default. */
  readonly backoff?: Partial<Backoff>;
  /** Objects per call; 1,024 by default. */
  readonly batchSize?: number;
}

const INTERVAL = 10 * 60 * 1000;
const BACKOFF: Backoff = { initial: 100, factor: 2, max: 60_000 };

/**
 * Starts keeping the target as the table says: a full pass at once, changes as they come, failures again after a
 * growing wait, and a full pass every `interval`. Objects that are there and not wanted are removed, but nothing is
 * before `synchronised` is open. Throws RangeError for a batch size below 1 or an interval that is not positive.
 */
export function createReconciler<D, A>(parts: ReconcilerParts<D, A>, options: ReconcilerOptions<D, A>): Reconciler {
  const { interval = INTERVAL, batchSize = 1024 } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new RangeError(`batchSize: expected 1 or more, got ${batchSize}`);
  if (!(interval > 0)) throw new RangeError(`interval: expected a positive time, got ${interval}`);
  return new LoopReconciler(parts, { ...options, interval, batchSize, backoff: { ...BACKOFF, ...options.backoff } });
}

class LoopReconciler<D, A> implements Reconciler {
  readonly name: string;
  readonly #parts: ReconcilerParts<D, A>;
  readonly #interval: number;
  readonly #backoff: Backoff;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #list: WorkList<D, A>;
  readonly #abort = new AbortController();
  readonly #wakeup = createWakeup();
  readonly #waiting = new Set<{ readonly revision: number; resolve(): void; reject(error: unknown): void }>();
  readonly #running: Promise<unknown>;
  /** Up to where the table's changes have been taken up. */
  #seen = -1;
  #passDue = 0;
  #passes = 0;
  #lastPass: number | undefined;
  #listFailures = 0;
  #listError: string | undefined;

  constructor(parts: ReconcilerParts<D, A>, options: Required<ReconcilerOptions<D, A>> & { readonly backoff: Backoff }) {
    this.name = options.name;
    this.#parts = parts;
    this.#interval = options.interval;
    this.#backoff = options.backoff;
    this.#scheduler = parts.scheduler ?? systemScheduler;
    this.#logger = parts.logger.child({ reconciler: options.name });
    const mayRemove = (): boolean => parts.synchronised.open;
    this.#list = createWorkList({ ...options, mayRemove, now: () => this.#scheduler.now() });
    this.#running = Promise.all([this.#follow(), this.#openGate(), this.#loop()]);
  }

  status(): ReconcilerStatus {
    const { count } = this.#list.health;
    return {
      name: this.name,
      ok: count('ok'),
      pending: count('pending'),
      failing: count('failing'),
      held: count('held'),
      passes: this.#passes,
      lastPass: this.#lastPass,
      listError: this.#listError,
    };
  }

  health(): Iterable<ObjectHealth> {
    return this.#list.health.all();
  }

  healthOf(key: string): ObjectHealth | undefined {
    return this.#list.health.get(key);
  }

  trigger(): void {
    this.#passDue = 0;
    this.#wakeup.raise();
  }

  async settled({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    if (this.#abort.signal.aborted) throw this.#closedError();
    await new Promise<void>((resolve, reject) => {
      const end = (then: () => void): void => {
        signal?.removeEventListener('abort', abort);
        this.#waiting.delete(waiter);
        then();
      };
      const waiter = {
        revision: this.#parts.desired.revision,
        resolve: () => end(resolve),
        reject: (error: unknown) => end(() => reject(error as Error)),
      };
      const abort = (): void => waiter.reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiter);
      this.#wakeup.raise();
    });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#wakeup.raise();
    await this.#running;
    for (const waiter of [...this.#waiting]) waiter.reject(this.#closedError());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #closedError(): ReconcilerError {
    return new ReconcilerError('closed', `wait for reconciler ${this.name}: it is closed`);
  }

  /** Takes up the table's changes. */
  async #follow(): Promise<void> {
    for await (const batch of this.#parts.desired.changes({ signal: this.#abort.signal })) {
      for (const { key, before, after } of batch.changes) this.#list.change(key, before, after);
      this.#seen = batch.revision;
      this.#wakeup.raise();
    }
  }

  /** Once removals are allowed the loop has to look again; the full pass finds what it does not know of. */
  async #openGate(): Promise<void> {
    const { synchronised } = this.#parts;
    if (synchronised.open) return;
    try {
      await synchronised.wait({ signal: this.#abort.signal });
    } catch {
      return; // closed first
    }
    this.trigger();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#abort;
    // The table's present content first, so that the first full pass takes nothing for unwanted that is wanted.
    while (!signal.aborted && this.#seen < 0) await this.#wakeup.wait();
    while (!signal.aborted) {
      const now = this.#scheduler.now();
      this.#list.collectRetries(now);
      if (this.#parts.synchronised.open) this.#list.releaseHeld();
      if (now >= this.#passDue) await this.#fullPass();
      else if (!(await this.#work())) {
        this.#resolveWaiters();
        await this.#rest(now);
      }
    }
  }

  #resolveWaiters(): void {
    if (this.#passes === 0 && this.#listError === undefined) return;
    for (const waiter of [...this.#waiting]) if (this.#seen >= waiter.revision) waiter.resolve();
  }

  /** Until something is due, or anything happens. */
  async #rest(now: number): Promise<void> {
    const until = Math.min(this.#passDue, this.#list.nextRetry());
    const awake = new AbortController();
    const timer = this.#scheduler.sleep(until - now, awake.signal);
    const woken = this.#wakeup.wait(awake.signal);
    await Promise.race([timer, woken]);
    awake.abort();
    await Promise.all([timer, woken]);
  }

  async #fullPass(): Promise<void> {
    const { signal } = this.#abort;
    // From here on a trigger asks for another pass: this one may have listed already.
    this.#passDue = Number.POSITIVE_INFINITY;
    try {
      const found = await this.#parts.target.list(signal);
      if (signal.aborted) return;
      this.#list.compare(found);
    } catch (error) {
      if (!signal.aborted) this.#passFailed(error);
      return;
    }
    this.#listFailures = 0;
    this.#listError = undefined;
    this.#passes++;
    this.#lastPass = this.#scheduler.now();
    this.#passDue = Math.min(this.#passDue, this.#lastPass + this.#interval);
  }

  #passFailed(error: unknown): void {
    const retryIn = backoffDelay(this.#backoff, ++this.#listFailures);
    this.#listError = errorMessage(error);
    this.#passDue = Math.min(this.#passDue, this.#scheduler.now() + retryIn);
    this.#logger.warn({ error: this.#listError, attempts: this.#listFailures, retryIn }, 'listing objects failed');
  }

  /** Makes one call for what is due; false if nothing is. */
  async #work(): Promise<boolean> {
    const { target } = this.#parts;
    const { signal } = this.#abort;
    const work = this.#list.take();
    if (work === undefined) return false;
    const failures = new Map<string, unknown>();
    let thrown = false;
    try {
      const failed = await (work.action === 'apply' ? target.apply(work.records, signal) : target.remove(work.removals, signal));
      for (const { key, error } of failed ?? []) failures.set(key, error);
    } catch (error) {
      if (signal.aborted) return true;
      thrown = true;
      for (const key of work.keys) failures.set(key, error);
    }
    this.#list.finish(work, failures, thrown);
    const [first] = failures;
    if (first !== undefined) {
      const fields = { action: work.action, failed: failures.size, of: work.keys.length, key: first[0], error: errorMessage(first[1]) };
      this.#logger.warn(fields, `${work.action} failed for some objects`);
    }
    return true;
  }
}
