import type { IpAddress } from '@cilium-ts/core';
import { ipFromKey16 } from '@cilium-ts/core';
import type { LabelSet } from '@cilium-ts/identity';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { FqdnSelector } from '../model/rule.ts';
import { canonicalFqdn } from './fqdn-name.ts';
import { LookupHistory } from './lookup-history.ts';
import { fqdnMatcher } from './match-fqdn.ts';
import type { AddressChange } from './name-index.ts';
import { NameIndex } from './name-index.ts';
import type { NameCacheSnapshot } from './snapshot.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import type { Sweeps } from './zombies.ts';
import { ZombieStore } from './zombies.ts';

/** Limits and times of a name cache. The defaults are those of Cilium 1.19. */
export interface NameCacheOptions {
  /** Seconds that an answer holds at least (`tofqdns-min-ttl`). Default 0. */
  readonly minTtl: number;
  /** Addresses that an endpoint may have of one name (`tofqdns-endpoint-max-ip-per-hostname`); 0: any number. Default 1000. */
  readonly maxAddressesPerName: number;
  /** Pairs of name and address that an endpoint may have; 0: any number. Default 0. */
  readonly maxAddressesPerEndpoint: number;
  /** Zombies that an endpoint may have (`tofqdns-max-deferred-connection-deletes`); 0: none. Default 10000. */
  readonly maxZombies: number;
  /** Seconds after the expiry of a name before its address counts as idle (`tofqdns-idle-connection-grace-period`). Default 0. */
  readonly idleGrace: number;
}

/** An answer to a question for addresses. */
export interface NameAnswer {
  /** The name that was asked for, in any case, with or without its final dot. */
  readonly name: string;
  /** Further names that the addresses shall count for, such as those of a CNAME chain. Cilium gives none. */
  readonly aliases?: readonly string[];
  readonly addresses: readonly IpAddress[];
  /** Seconds, 0 to 2³²-1; from 2³¹ on it means 0 (RFC 2181, section 8). */
  readonly ttl: number;
  /** When the answer came, in milliseconds since whatever epoch all times of this cache count from. */
  readonly now: number;
  /** Who asked. Without it the answer is in a history of its own. */
  readonly endpoint?: string;
}

/** What an answer has changed. */
export interface NameUpdate {
  /** Whether the endpoint's history is another than before, so that it is worth saving. */
  readonly updated: boolean;
  readonly changes: readonly AddressChange[];
}

/** What a collection has done. */
export interface NameCollection {
  readonly changes: readonly AddressChange[];
  /** Pairs of name and address whose time was over, and that went because of a limit. */
  readonly expired: number;
  readonly evicted: number;
  /** Zombies that there are now, and that went. */
  readonly zombies: number;
  readonly dead: number;
  /** Whether a limit cost an address that was in use: its connections will be cut. Worth a warning. */
  readonly evictedInUse: boolean;
}

/**
 * Which addresses DNS names led endpoints to, and so which `fqdn:` labels addresses have. Pure: answers, times and what
 * is seen of connections are fed in; whatever changes labels returns the changes, to be fed to an ipcache.
 *
 * A name keeps its addresses until {@link NameCache.collect} is called after they expired (Cilium: every minute). Then
 * they are zombies, with their labels, until two sweeps of the connection table have not seen them.
 */
export interface NameCache {
  /** Makes these the selectors: what is missing is added, what is not among them is removed. */
  setSelectors(selectors: Iterable<FqdnSelector>): readonly AddressChange[];
  /** By ascending label key. */
  selectors(): readonly FqdnSelector[];
  /** Throws RangeError for a ttl or time that is none. Names that no selector can choose are passed over. */
  update(answer: NameAnswer): NameUpdate;
  /** A connection of the endpoint to the address was seen. False if the address is no zombie of the endpoint. */
  markAlive(mark: { readonly address: IpAddress; readonly now: number; readonly endpoint?: string }): boolean;
  /** All connections have been looked at, and what was found has been marked. `startedAt` is when the look began. */
  connectionsSwept(startedAt: number): void;
  /** Lets go of what has expired, is beyond the limits, or dead. */
  collect(now: number): NameCollection;
  /** Forgets at once what the endpoint was told, and its zombies (Cilium: with the next collection). */
  removeEndpoint(endpoint: string): readonly AddressChange[];
  /** Forgets names, zombies too, whatever their time: all, or those that the selector chooses. */
  forget(selector?: FqdnSelector): readonly AddressChange[];
  /** The `fqdn:` labels of the address; none: an empty set. */
  labels(address: IpAddress): LabelSet;
  /** Every address with `fqdn:` labels, in order: what an ipcache that starts empty needs. */
  labelled(): readonly { readonly address: IpAddress; readonly labels: LabelSet }[];
  /** Names that lead to the address, zombies' included, sorted; in lower case with a final dot. */
  names(address: IpAddress): readonly string[];
  /** Addresses that the name leads to, in order. */
  addresses(name: string): readonly IpAddress[];
  /** Everything but the selectors, as plain data for JSON. */
  snapshot(): NameCacheSnapshot;
  /**
   * Adds what a snapshot holds. What expired since becomes a zombie; none dies before two new sweeps. Times later than
   * `now` that belong to the past are taken as `now`. Throws PolicyModelError `bad-snapshot`, and adds nothing, for
   * what is no snapshot.
   */
  restore(snapshot: unknown, now: number): readonly AddressChange[];
}

const DEFAULTS: NameCacheOptions = {
  minTtl: 0,
  maxAddressesPerName: 1000,
  maxAddressesPerEndpoint: 0,
  maxZombies: 10_000,
  idleGrace: 0,
};

/** An empty cache. Throws RangeError for a limit that is no whole number of 0 or more. */
export function createNameCache(options: Partial<NameCacheOptions> = {}): NameCache {
  const complete = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries(complete)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name}: expected a whole number of 0 or more, got ${value}`);
  }
  return new EndpointNameCache(complete);
}

/** What is known of one endpoint. */
interface Endpoint {
  readonly history: LookupHistory;
  readonly zombies: ZombieStore;
}

class EndpointNameCache implements NameCache {
  readonly #options: NameCacheOptions;
  readonly #index = new NameIndex();
  readonly #sweeps: Sweeps = { lastStartedAt: 0, count: 0 };
  readonly #endpoints = new Map<string | undefined, Endpoint>();

  constructor(options: NameCacheOptions) {
    this.#options = options;
  }

  setSelectors(selectors: Iterable<FqdnSelector>): AddressChange[] {
    const wanted = new Map(Array.from(selectors, (selector) => [fqdnLabelKey(selector), selector]));
    for (const selector of this.#index.selectors()) {
      if (!wanted.has(fqdnLabelKey(selector))) this.#index.removeSelector(selector);
    }
    for (const selector of wanted.values()) this.#index.addSelector(selector);
    return this.#index.take();
  }

  selectors(): FqdnSelector[] {
    return this.#index.selectors();
  }

  update({ name, aliases = [], addresses, ttl, now, endpoint }: NameAnswer): NameUpdate {
    checkTime('now', now);
    if (!Number.isInteger(ttl) || ttl < 0 || ttl > 0xffff_ffff) throw new RangeError(`ttl: expected 0 to 4294967295 seconds, got ${ttl}`);
    const seconds = Math.max(this.#options.minTtl, ttl > 0x7fff_ffff ? 0 : ttl);
    const names = new Set([name, ...aliases].map(canonicalFqdn).filter((known) => known !== undefined));
    if (names.size === 0 || addresses.length === 0) return { updated: false, changes: [] };
    const unmapped = addresses.map(withoutMapping);
    const { history, zombies } = this.#endpoint(endpoint);
    let updated = false;
    for (const known of names) {
      let isNew = false;
      for (const address of unmapped) {
        const put = history.put({ name: known, address, lookedUpAt: now, expiresAt: now + seconds * 1000 });
        updated ||= put.updated;
        isNew ||= put.isNew;
      }
      if (isNew) for (const address of unmapped) zombies.revive(known, address, now);
    }
    return { updated, changes: this.#index.take() };
  }

  markAlive({ address, now, endpoint }: { readonly address: IpAddress; readonly now: number; readonly endpoint?: string }): boolean {
    checkTime('now', now);
    return this.#endpoints.get(endpoint)?.zombies.markAlive(withoutMapping(address), now) ?? false;
  }

  connectionsSwept(startedAt: number): void {
    checkTime('startedAt', startedAt);
    this.#sweeps.lastStartedAt = startedAt;
    this.#sweeps.count++;
  }

  collect(now: number): NameCollection {
    checkTime('now', now);
    const sum = { expired: 0, evicted: 0, zombies: 0, dead: 0, evictedInUse: false };
    for (const [name, endpoint] of this.#endpoints) {
      const expired = endpoint.history.expire(now);
      const evicted = endpoint.history.trim();
      for (const { name: known, address, expiresAt } of [...expired, ...evicted]) {
        endpoint.zombies.put(known, address, { deletePendingAt: Math.max(now, expiresAt) });
        this.#index.drop(known, address);
      }
      const report = endpoint.zombies.collect();
      sum.expired += expired.length;
      sum.evicted += evicted.length;
      sum.zombies += report.alive;
      sum.dead += report.dead;
      sum.evictedInUse ||= report.evictedInUse;
      if (endpoint.history.size + endpoint.zombies.size === 0) this.#endpoints.delete(name);
    }
    return { ...sum, changes: this.#index.take() };
  }

  removeEndpoint(endpoint: string): AddressChange[] {
    const known = this.#endpoints.get(endpoint);
    known?.history.forget(() => true);
    known?.zombies.forget(() => true);
    this.#endpoints.delete(endpoint);
    return this.#index.take();
  }

  forget(selector?: FqdnSelector): AddressChange[] {
    const matches = selector === undefined ? () => true : fqdnMatcher(selector);
    for (const { history, zombies } of this.#endpoints.values()) {
      history.forget(matches);
      zombies.forget(matches);
    }
    return this.#index.take();
  }

  labels(address: IpAddress): LabelSet {
    return this.#index.labels(withoutMapping(address));
  }

  labelled(): { address: IpAddress; labels: LabelSet }[] {
    return this.#index.labelled();
  }

  names(address: IpAddress): string[] {
    return this.#index.names(withoutMapping(address));
  }

  addresses(name: string): IpAddress[] {
    const known = canonicalFqdn(name);
    return known === undefined ? [] : this.#index.addresses(known);
  }

  snapshot(): NameCacheSnapshot {
    return writeSnapshot(
      Array.from(this.#endpoints, ([endpoint, { history, zombies }]) => ({ endpoint, lookups: history.lookups(), zombies: zombies.zombies() })),
    );
  }

  restore(snapshot: unknown, now: number): readonly AddressChange[] {
    checkTime('now', now);
    for (const saved of readSnapshot(snapshot)) {
      const { history, zombies } = this.#endpoint(saved.endpoint);
      for (const lookup of saved.lookups) history.put({ ...lookup, lookedUpAt: Math.min(lookup.lookedUpAt, now) });
      for (const { address, names, aliveAt, deletePendingAt } of saved.zombies) {
        for (const name of names) zombies.put(name, address, { deletePendingAt, aliveAt: Math.min(aliveAt, now) });
      }
    }
    return this.collect(now).changes;
  }

  #endpoint(name: string | undefined): Endpoint {
    let endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) {
      const { maxAddressesPerName: perName, maxAddressesPerEndpoint, maxZombies, idleGrace } = this.#options;
      endpoint = {
        history: new LookupHistory(this.#index, { perName, total: maxAddressesPerEndpoint }),
        zombies: new ZombieStore(this.#index, this.#sweeps, { perName, total: maxZombies, graceMs: idleGrace * 1000 }),
      };
      this.#endpoints.set(name, endpoint);
    }
    return endpoint;
  }
}

function checkTime(argument: string, time: number): void {
  if (!Number.isFinite(time) || time < 0) throw new RangeError(`${argument}: expected a time in milliseconds, got ${time}`);
}

/** An IPv4 address that an AAAA record carries in its mapped form is that IPv4 address: so are the packets to it. */
function withoutMapping(address: IpAddress): IpAddress {
  return address.family === 6 ? ipFromKey16(address.bytes) : address;
}

