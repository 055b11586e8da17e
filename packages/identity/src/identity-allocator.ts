import { errorMessage } from '@cilium-ts/core';
import { IdentityError } from './error.ts';
import type { IdentityStore } from './identity-store.ts';
import { loadRecords } from './identity-store.ts';
import type { LabelSet } from './label-set.ts';
import type { Held, NumberPool } from './number-pool.ts';
import { createNumberPool } from './number-pool.ts';
import type { Identity, IdentityRange, IdentityScope } from './numeric.ts';
import { identityRange } from './numeric.ts';
import type { ReservedIdentities } from './reserved.ts';
import { createReservedIdentities } from './reserved.ts';

/** Gives numbers to sets of labels: one number per set, the same one again after a release or a restart. */
export interface IdentityAllocator {
  /** The range it allocates from. */
  readonly scope: Exclude<IdentityScope, 'reserved'>;
  /** Grows with every identity that comes into use or goes out of it. */
  readonly revision: number;
  /**
   * The identity of these labels, with one more reference; a reserved one where the labels call for it, which needs
   * no release. Saved before it is returned. Throws IdentityError `exhausted` or `store-write`; then nothing changed.
   */
  allocate(labels: LabelSet): Identity;
  /**
   * Drops a reference; true when it was the last. The number stays with its labels for as long as it can, and goes to
   * others only after the reuse delay. Reserved and unknown numbers are ignored. Throws `store-write`; then nothing
   * changed.
   */
  release(id: number): boolean;
  /** The identity of a number: reserved, in use, or released and not given to others yet. */
  get(id: number): Identity | undefined;
  /** The identity that these labels have now: reserved, or in use. Adds no reference. */
  lookup(labels: LabelSet): Identity | undefined;
  /** Those in use, without the reserved ones. */
  all(): Iterable<Identity>;
  /** Identities in use before the restart whose labels nobody has asked for since. Their numbers stay theirs. */
  unclaimed(): Iterable<Identity>;
  /** Releases the unclaimed: to be called once everything that could claim them has been restored. */
  releaseUnclaimed(): void;
  /**
   * Saves once at the end instead of at each step. If `change` throws, what it did until then is saved and stays. If
   * saving fails, `store-write` is thrown and the steps stay in memory; the next save includes them.
   */
  batch<T>(change: () => T): T;
}

/** How to allocate. */
export interface IdentityAllocatorOptions {
  readonly scope: Exclude<IdentityScope, 'reserved'>;
  /** Number of the cluster in a mesh, 0–255, for the global scope; 0 without one. */
  readonly clusterId?: number;
  /** A part of the scope's range, to be shared with others; all of it by default. */
  readonly range?: IdentityRange;
  /** Where the numbers survive a restart; without it they do not. */
  readonly store?: IdentityStore;
  /** Those that take precedence; the common reserved ones by default. */
  readonly reserved?: ReservedIdentities;
  /** For how long a released number is kept for its labels alone, in milliseconds; ten minutes by default. */
  readonly reuseDelay?: number;
  /** How many released numbers are remembered beyond the delay; 4,096 by default. */
  readonly remember?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const REUSE_DELAY = 10 * 60 * 1000;
const REMEMBER = 4096;

function checkedRange({ scope, clusterId, range }: IdentityAllocatorOptions): IdentityRange {
  const whole = identityRange(scope, clusterId);
  if (range === undefined) return whole;
  if (range.first < whole.first || range.last > whole.last || range.first > range.last) {
    throw new RangeError(`range: ${range.first}–${range.last} is not within ${whole.first}–${whole.last}`);
  }
  return range;
}

/**
 * An allocator that continues from what its store holds. Throws IdentityError `store-read` or `store-corrupt` if that
 * cannot be used, and leaves it as it is; RangeError for an impossible range.
 */
export function createIdentityAllocator(options: IdentityAllocatorOptions): IdentityAllocator {
  const { scope, store, now = Date.now, remember = REMEMBER, reuseDelay = REUSE_DELAY } = options;
  const range = checkedRange(options);
  const reserved = options.reserved ?? createReservedIdentities({ ipv4: true, ipv6: true });
  const records = store === undefined ? undefined : loadRecords(store, scope, range);
  const pool = createNumberPool({ range, remember, reuseDelay }, records);
  return new StoredAllocator({ scope, range, pool, reserved, store, now });
}

interface Parts {
  readonly scope: Exclude<IdentityScope, 'reserved'>;
  readonly range: IdentityRange;
  readonly pool: NumberPool;
  readonly reserved: ReservedIdentities;
  readonly store: IdentityStore | undefined;
  readonly now: () => number;
}

const inUse = ({ references }: Held): boolean => references > 0;
const isUnclaimed = ({ references, releasedAt }: Held): boolean => references === 0 && releasedAt === undefined;

class StoredAllocator implements IdentityAllocator {
  readonly scope: Exclude<IdentityScope, 'reserved'>;
  readonly #parts: Parts;
  #revision = 0;
  #depth = 0;
  #unsaved = false;

  constructor(parts: Parts) {
    this.scope = parts.scope;
    this.#parts = parts;
  }

  get revision(): number {
    return this.#revision;
  }

  allocate(labels: LabelSet): Identity {
    const { pool, reserved } = this.#parts;
    const fixed = reserved.byLabels(labels);
    if (fixed !== undefined) return fixed;
    const known = pool.byLabels(labels.text);
    if (known === undefined) return this.#allocateNew(labels);
    if (known.references > 0) known.references++;
    else this.#claim(known);
    return known.identity;
  }

  release(id: number): boolean {
    const { pool, now } = this.#parts;
    const held = pool.byId.get(id);
    if (held === undefined || held.references === 0) return false;
    if (held.references > 1) {
      held.references--;
      return false;
    }
    this.#change(
      () => {
        held.references = 0;
        pool.release(held, now());
      },
      () => {
        pool.claim(held);
        held.references = 1;
      },
    );
    return true;
  }

  get(id: number): Identity | undefined {
    return this.#parts.reserved.get(id) ?? this.#parts.pool.byId.get(id)?.identity;
  }

  lookup(labels: LabelSet): Identity | undefined {
    const fixed = this.#parts.reserved.byLabels(labels);
    if (fixed !== undefined) return fixed;
    const held = this.#parts.pool.byLabels(labels.text);
    return held !== undefined && inUse(held) ? held.identity : undefined;
  }

  *all(): Iterable<Identity> {
    for (const held of this.#parts.pool.byId.values()) if (inUse(held)) yield held.identity;
  }

  *unclaimed(): Iterable<Identity> {
    for (const held of this.#parts.pool.byId.values()) if (isUnclaimed(held)) yield held.identity;
  }

  releaseUnclaimed(): void {
    const { pool, now } = this.#parts;
    const unclaimed = [...pool.byId.values()].filter(isUnclaimed);
    if (unclaimed.length === 0) return;
    this.#change(
      () => unclaimed.forEach((held) => pool.release(held, now())),
      () => unclaimed.forEach((held) => pool.claim(held)),
    );
  }

  batch<T>(change: () => T): T {
    this.#depth++;
    try {
      return change();
    } finally {
      this.#depth--;
      if (this.#depth === 0 && this.#unsaved) this.#save();
    }
  }

  #allocateNew(labels: LabelSet): Identity {
    const { pool, now, range } = this.#parts;
    const held = pool.take(labels, now());
    if (held === undefined) {
      const count = range.last - range.first + 1;
      const why = `all ${count} numbers are taken, ${pool.resting(now())} of them released within the reuse delay`;
      throw new IdentityError('exhausted', `allocate ${this.scope} identity for ${labels.text}: ${why}`);
    }
    this.#change(
      () => {
        held.references = 1;
      },
      () => pool.forget(held),
    );
    return held.identity;
  }

  #claim(held: Held): void {
    const { pool } = this.#parts;
    const { releasedAt } = held;
    this.#change(
      () => {
        pool.claim(held);
        held.references = 1;
      },
      () => {
        held.references = 0;
        if (releasedAt !== undefined) pool.release(held, releasedAt);
      },
    );
  }

  /** Does it, saves, and undoes it if it cannot be saved. */
  #change(change: () => void, undo: () => void): void {
    change();
    this.#revision++;
    this.#unsaved = true;
    if (this.#depth > 0) return;
    try {
      this.#save();
    } catch (error) {
      undo();
      this.#revision++;
      throw error;
    }
  }

  #save(): void {
    const { scope, pool, store } = this.#parts;
    if (store !== undefined) {
      try {
        store.save({ version: 1, scope, ...pool.toRecords() });
      } catch (cause) {
        throw new IdentityError('store-write', `save ${scope} identities: ${errorMessage(cause)}`, { cause });
      }
    }
    this.#unsaved = false;
  }
}
