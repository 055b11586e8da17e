import type { IdentityRecords } from './identity-store.ts';
import type { LabelSet } from './label-set.ts';
import { labelSet } from './label-set.ts';
import type { Identity, IdentityRange, NumericIdentity } from './numeric.ts';
import { numericIdentity } from './numeric.ts';

/** A number that has labels: in use, restored and not claimed yet (no references, no release), or released. */
export interface Held {
  readonly identity: Identity;
  references: number;
  releasedAt: number | undefined;
}

/** The numbers of a range and the labels they stand for; knows nothing of stores. */
export interface NumberPool {
  readonly byId: ReadonlyMap<number, Held>;
  byLabels(text: string): Held | undefined;
  /** Gives a free number to labels that have none; `undefined` when none can be had at time `now`. */
  take(labels: LabelSet, now: number): Held | undefined;
  /** Undoes {@link take}. */
  forget(held: Held): void;
  /** Marks as released, in order of time. */
  release(held: Held, now: number): void;
  /** Takes back into use. */
  claim(held: Held): void;
  /** How many are released and may not be given to other labels yet. */
  resting(now: number): number;
  toRecords(): Pick<IdentityRecords, 'next' | 'identities'>;
}

/** What a pool is made with. */
export interface NumberPoolOptions {
  readonly range: IdentityRange;
  /** For how many milliseconds a released number is kept for its labels alone. */
  readonly reuseDelay: number;
  /** How many released ones are remembered beyond that time. */
  readonly remember: number;
}

/**
 * Numbers are given out in ascending order and around again, so that one comes up anew only after all others. A
 * released one stays with its labels until it is needed; those released last stay longest.
 */
export function createNumberPool(options: NumberPoolOptions, records: IdentityRecords | undefined): NumberPool {
  return new CyclicPool(options, records);
}

class CyclicPool implements NumberPool {
  readonly byId = new Map<number, Held>();
  readonly #byText = new Map<string, Held>();
  /** Oldest release first. */
  readonly #released = new Set<Held>();
  readonly #options: NumberPoolOptions;
  #next: number;

  constructor(options: NumberPoolOptions, records: IdentityRecords | undefined) {
    const { first, last } = options.range;
    this.#options = options;
    this.#next = Math.min(Math.max(records?.next ?? first, first), last);
    const order = [...(records?.identities ?? [])].sort((a, b) => (a.releasedAt ?? 0) - (b.releasedAt ?? 0));
    for (const { id, labels, releasedAt } of order) {
      const held = this.#add(numericIdentity(id), labelSet(labels), releasedAt);
      if (releasedAt !== undefined) this.#released.add(held);
    }
  }

  byLabels(text: string): Held | undefined {
    return this.#byText.get(text);
  }

  take(labels: LabelSet, now: number): Held | undefined {
    const { first, last } = this.#options.range;
    if (this.byId.size > last - first && !this.#dropOldest(now)) return undefined;
    while (this.byId.has(this.#next)) this.#advance();
    const held = this.#add(numericIdentity(this.#next), labels, undefined);
    this.#advance();
    return held;
  }

  forget(held: Held): void {
    this.byId.delete(held.identity.id);
    this.#byText.delete(held.identity.labels.text);
    this.#released.delete(held);
  }

  release(held: Held, now: number): void {
    held.releasedAt = now;
    this.#released.add(held);
    while (this.#released.size > this.#options.remember && this.#dropOldest(now)) continue;
  }

  claim(held: Held): void {
    held.releasedAt = undefined;
    this.#released.delete(held);
  }

  resting(now: number): number {
    return [...this.#released].filter((held) => this.#rests(held, now)).length;
  }

  toRecords(): Pick<IdentityRecords, 'next' | 'identities'> {
    const identities = Array.from(this.byId.values(), ({ identity: { id, labels }, releasedAt }) => ({
      id,
      labels: [...labels],
      ...(releasedAt === undefined ? {} : { releasedAt }),
    }));
    return { next: this.#next, identities };
  }

  #add(id: NumericIdentity, labels: LabelSet, releasedAt: number | undefined): Held {
    const held: Held = { identity: { id, labels }, references: 0, releasedAt };
    this.byId.set(id, held);
    this.#byText.set(labels.text, held);
    return held;
  }

  #advance(): void {
    const { first, last } = this.#options.range;
    this.#next = this.#next === last ? first : this.#next + 1;
  }

  #dropOldest(now: number): boolean {
    const [oldest] = this.#released;
    if (oldest === undefined || this.#rests(oldest, now)) return false;
    this.forget(oldest);
    return true;
  }

  /** A clock that was set back must not keep numbers away for longer than the delay. */
  #rests({ releasedAt = 0 }: Held, now: number): boolean {
    const age = now - releasedAt;
    return age >= 0 && age < this.#options.reuseDelay;
  }
}
