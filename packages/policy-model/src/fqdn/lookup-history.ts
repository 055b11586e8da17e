import type { IpAddress } from '@cilium-ts/core';
import { compareIp } from '@cilium-ts/core';
import type { NameIndex } from './name-index.ts';

/** That a name led to an address, by the answer that holds longest. Times in milliseconds. */
export interface Lookup {
  readonly name: string;
  readonly address: IpAddress;
  readonly lookedUpAt: number;
  readonly expiresAt: number;
}

/** What an endpoint was told, until it expires or goes beyond the limits. */
export class LookupHistory {
  readonly #index: NameIndex;
  readonly #limits: { readonly perName: number; readonly total: number };
  readonly #names = new Map<string, Map<string, Lookup>>();
  readonly #crowded = new Set<string>();
  #size = 0;
  /** No lookup expires before. */
  #earliest = Infinity;

  /** A limit of 0 is none. */
  constructor(index: NameIndex, limits: { readonly perName: number; readonly total: number }) {
    this.#index = index;
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  *lookups(): Iterable<Lookup> {
    for (const byAddress of this.#names.values()) yield* byAddress.values();
  }

  /** Takes the lookup unless one that holds as long is there. Whether it was taken, and whether its pair is new. */
  put(lookup: Lookup): { readonly updated: boolean; readonly isNew: boolean } {
    const { name, address, expiresAt } = lookup;
    let byAddress = this.#names.get(name);
    if (byAddress === undefined) this.#names.set(name, (byAddress = new Map()));
    const before = byAddress.get(address.text);
    if (before !== undefined && before.expiresAt >= expiresAt) return { updated: false, isNew: false };
    byAddress.set(address.text, lookup);
    this.#earliest = Math.min(this.#earliest, expiresAt);
    if (before === undefined) {
      this.#size++;
      this.#index.add(name, address);
      if (this.#limits.perName > 0 && byAddress.size > this.#limits.perName) this.#crowded.add(name);
    }
    return { updated: true, isNew: before === undefined };
  }

  /** Lets go of what expired before `now`; the caller drops the lookups from the index. */
  expire(now: number): Lookup[] {
    if (this.#earliest >= now) return [];
    const expired: Lookup[] = [];
    this.#earliest = Infinity;
    for (const lookup of this.lookups()) {
      if (lookup.expiresAt < now) expired.push(lookup);
      else this.#earliest = Math.min(this.#earliest, lookup.expiresAt);
    }
    expired.forEach((lookup) => this.#delete(lookup));
    return expired;
  }

  /** Lets go of what is beyond the limits, those first that expire first; the caller drops them from the index. */
  trim(): Lookup[] {
    const { perName, total } = this.#limits;
    const evicted: Lookup[] = [];
    for (const name of this.#crowded) {
      const lookups = [...(this.#names.get(name)?.values() ?? [])];
      evicted.push(...lookups.sort(bySoonestExpiry).slice(0, Math.max(0, lookups.length - perName)));
    }
    this.#crowded.clear();
    evicted.forEach((lookup) => this.#delete(lookup));
    if (total > 0 && this.#size > total) {
      const soonest = [...this.lookups()].sort(bySoonestExpiry).slice(0, this.#size - total);
      soonest.forEach((lookup) => this.#delete(lookup));
      evicted.push(...soonest);
    }
    return evicted;
  }

  /** Removes, from the index as well, what the names' filter takes. How many lookups that were. */
  forget(matches: (name: string) => boolean): number {
    const gone = [...this.lookups()].filter(({ name }) => matches(name));
    for (const lookup of gone) {
      this.#delete(lookup);
      this.#index.drop(lookup.name, lookup.address);
    }
    return gone.length;
  }

  #delete({ name, address }: Lookup): void {
    const byAddress = this.#names.get(name)!;
    byAddress.delete(address.text);
    if (byAddress.size === 0) this.#names.delete(name);
    this.#size--;
  }
}

function bySoonestExpiry(a: Lookup, b: Lookup): number {
  return a.expiresAt - b.expiresAt || a.lookedUpAt - b.lookedUpAt || compareIp(a.address, b.address) || (a.name < b.name ? -1 : 1);
}
