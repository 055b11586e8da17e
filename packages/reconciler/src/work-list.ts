import type { Backoff, HealthBook } from './health.ts';
import { createHealthBook } from './health.ts';
import type { Removal } from './target.ts';

/** What one call to the target does. */
export type Work<D, A> =
  | { readonly action: 'apply'; readonly keys: readonly string[]; readonly records: readonly D[] }
  | { readonly action: 'remove'; readonly keys: readonly string[]; readonly removals: readonly Removal<D, A>[] };

/** What is wanted, what is there, and what has to be done about the difference. Knows nothing of calls and time. */
export interface WorkList<D, A> {
  readonly health: HealthBook;
  /** A record was added, replaced or removed. */
  change(key: string, before: D | undefined, after: D | undefined): void;
  /** All objects that are there. */
  compare(found: Iterable<A>): void;
  /** What had to be kept so far is due for removal. */
  releaseHeld(): void;
  /** Makes due what has waited long enough after a failure. */
  collectRetries(now: number): void;
  /** When the next failing object is due; Infinity if none is failing. */
  nextRetry(): number;
  /** What to do next, taken off the list; undefined if nothing is due. */
  take(): Work<D, A> | undefined;
  /** How it went. */
  finish(work: Work<D, A>, failures: ReadonlyMap<string, unknown>, thrown: boolean): void;
}

/** What a work list is made with. */
export interface WorkListOptions<D, A> {
  readonly keyOf: (actual: A) => string;
  readonly matches: (wanted: D, actual: A) => boolean;
  readonly batchSize: number;
  readonly backoff: Backoff;
  readonly mayRemove: () => boolean;
  readonly now: () => number;
}

/** An empty list. */
export function createWorkList<D, A>(options: WorkListOptions<D, A>): WorkList<D, A> {
  return new DiffingWorkList(options);
}

class DiffingWorkList<D, A> implements WorkList<D, A> {
  readonly health: HealthBook;
  readonly #options: WorkListOptions<D, A>;
  /** The table as the changes taken up so far have it; what was applied is always in here or has to be removed. */
  readonly #wanted = new Map<string, D>();
  /** What must go: as it was last wanted. */
  readonly #unwanted = new Map<string, D>();
  /** As last found. */
  readonly #actual = new Map<string, A>();
  readonly #due = new Set<string>();
  /** Were in a call that threw: are tried one by one, so that one of them cannot stop the others for ever. */
  readonly #alone = new Set<string>();

  constructor(options: WorkListOptions<D, A>) {
    this.#options = options;
    this.health = createHealthBook(options.backoff, options.now);
  }

  change(key: string, before: D | undefined, after: D | undefined): void {
    if (after === undefined) {
      this.#wanted.delete(key);
      if (before !== undefined) this.#unwanted.set(key, before);
      this.#dismiss(key);
      return;
    }
    this.#wanted.set(key, after);
    this.#unwanted.delete(key);
    this.health.set(key, 'pending', 'apply');
    this.#due.add(key);
  }

  compare(found: Iterable<A>): void {
    const { keyOf, matches } = this.#options;
    const there = new Map<string, A>();
    for (const actual of found) there.set(keyOf(actual), actual);
    this.#actual.clear();
    for (const [key, actual] of there) {
      this.#actual.set(key, actual);
      const wanted = this.#wanted.get(key);
      if (wanted === undefined) this.#dismiss(key);
      else if (!matches(wanted, actual)) this.#makeDue(key, 'apply');
      else this.#isFine(key);
    }
    for (const key of this.#wanted.keys()) if (!there.has(key)) this.#makeDue(key, 'apply');
    for (const { key } of [...this.health.all()]) if (!there.has(key) && !this.#wanted.has(key)) this.#forget(key);
  }

  releaseHeld(): void {
    if (this.health.count('held') === 0) return;
    for (const { key, state } of [...this.health.all()]) if (state === 'held') this.#makeDue(key, 'remove');
  }

  collectRetries(now: number): void {
    for (const { key, retryAt } of this.health.failing()) if (retryAt !== undefined && retryAt <= now) this.#due.add(key);
  }

  nextRetry(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { retryAt } of this.health.failing()) if (retryAt !== undefined) next = Math.min(next, retryAt);
    return next;
  }

  /** What must go comes first, since it may stand in the way of what is to come. */
  take(): Work<D, A> | undefined {
    const due = [...this.#due];
    const gone = this.#batch(due.filter((key) => !this.#wanted.has(key)));
    const keys = gone.length > 0 ? gone : this.#batch(due);
    // Taken off before the call: what changes during it is due again.
    for (const key of keys) this.#due.delete(key);
    if (keys.length === 0) return undefined;
    if (gone.length === 0) return { action: 'apply', keys, records: keys.map((key) => this.#wanted.get(key)!) };
    const removal = (key: string): Removal<D, A> => ({ key, wanted: this.#unwanted.get(key), actual: this.#actual.get(key) });
    return { action: 'remove', keys, removals: keys.map(removal) };
  }

  finish({ action, keys }: Work<D, A>, failures: ReadonlyMap<string, unknown>, thrown: boolean): void {
    for (const key of keys) {
      // Changed during the call: the result is of no interest any more.
      if (this.#due.has(key) || this.#wanted.has(key) !== (action === 'apply')) continue;
      if (thrown && keys.length > 1) this.#alone.add(key);
      if (failures.has(key)) {
        this.health.fail(key, action, failures.get(key));
        continue;
      }
      if (action === 'apply') this.#isFine(key);
      else this.#forget(key);
    }
  }

  /** As many keys as one call takes; one that must be alone is. */
  #batch(keys: readonly string[]): readonly string[] {
    const together = keys.filter((key) => !this.#alone.has(key));
    return together.length > 0 ? together.slice(0, this.#options.batchSize) : keys.slice(0, 1);
  }

  /** The object must go, as soon as it may. */
  #dismiss(key: string): void {
    if (this.#options.mayRemove()) {
      this.#makeDue(key, 'remove');
      return;
    }
    this.#due.delete(key);
    this.health.set(key, 'held', 'remove');
  }

  /** Calls do not overlap, so that what was found is what is there. */
  #isFine(key: string): void {
    this.#due.delete(key);
    this.#alone.delete(key);
    this.health.set(key, 'ok', 'apply');
  }

  /** What is failing keeps its own time. */
  #makeDue(key: string, action: 'apply' | 'remove'): void {
    const health = this.health.get(key);
    if (health?.state === 'failing' && health.action === action) return;
    this.health.set(key, 'pending', action);
    this.#due.add(key);
  }

  #forget(key: string): void {
    this.#unwanted.delete(key);
    this.#actual.delete(key);
    this.#due.delete(key);
    this.#alone.delete(key);
    this.health.forget(key);
  }
}
