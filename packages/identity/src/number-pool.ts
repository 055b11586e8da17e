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
  const { range, reuseDelay, remember } = options;
  const byId = new Map<number, Held>();
  const byText = new Map<string, Held>();
  /** Oldest release first. */
  const released = new Set<Held>();
  let next = range.first;

  const add = (id: NumericIdentity, labels: LabelSet, releasedAt?: number): Held => {
    const held: Held = { identity: { id, labels }, references: 0, releasedAt };
    byId.set(id, held);
    byText.set(labels.text, held);
    return held;
  };
  const drop = (held: Held): void => {
    byId.delete(held.identity.id);
    byText.delete(held.identity.labels.text);
    released.delete(held);
  };
  const dropOldest = (now: number): boolean => {
    const [oldest] = released;
    if (oldest === undefined || now - (oldest.releasedAt ?? 0) < reuseDelay) return false;
    drop(oldest);
    return true;
  };
  const free = (now: number): number | undefined => {
    const size = range.last - range.first + 1;
    if (byId.size >= size && !dropOldest(now)) return undefined;
    let id = next;
    while (byId.has(id)) id = id === range.last ? range.first : id + 1;
    next = id === range.last ? range.first : id + 1;
    return id;
  };

  if (records !== undefined) {
    next = Math.min(Math.max(records.next, range.first), range.last);
    const order = [...records.identities].sort((a, b) => (a.releasedAt ?? 0) - (b.releasedAt ?? 0));
    for (const { id, labels, releasedAt } of order) {
      const held = add(numericIdentity(id), labelSet(labels), releasedAt);
      if (releasedAt !== undefined) released.add(held);
    }
  }
  return {
    byId,
    byLabels: (text) => byText.get(text),
    take(labels, now) {
      const id = free(now);
      return id === undefined ? undefined : add(numericIdentity(id), labels);
    },
    forget: drop,
    release(held, now) {
      held.releasedAt = now;
      released.add(held);
      while (released.size > remember && dropOldest(now)) continue;
    },
    claim(held) {
      held.releasedAt = undefined;
      released.delete(held);
    },
    resting: (now) => [...released].filter(({ releasedAt = 0 }) => now - releasedAt < reuseDelay).length,
    toRecords: () => ({
      next,
      identities: Array.from(byId.values(), ({ identity, releasedAt }) => ({
        id: identity.id,
        labels: [...identity.labels],
        ...(releasedAt === undefined ? {} : { releasedAt }),
      })),
    }),
  };
}
