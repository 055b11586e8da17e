import type { Cidr, IpAddress } from '@cilium-ts/core';
import type { IdentityAllocator } from './identity-allocator.ts';
import type { IpCacheSource } from './ipcache-source.ts';
import { IPCACHE_SOURCES } from './ipcache-source.ts';
import type { LabelSet } from './label-set.ts';
import { equalLabelSets, labelSet } from './label-set.ts';
import type { Identity } from './numeric.ts';
import type { Contribution, PrefixFacts } from './prefix-labels.ts';
import { combine, firstWins, mergeLabels } from './prefix-labels.ts';
import { createPrefixTrie } from './prefix-trie.ts';
import type { Families, ReservedIdentities } from './reserved.ts';
import { RESERVED, createReservedIdentities, worldIdentity } from './reserved.ts';

/** Something that a resource says about a prefix. */
export interface IpCacheUpsert {
  readonly prefix: Cidr;
  /** Names the resource: what it says about the prefix replaces what it said before, and can be removed alone. */
  readonly resource: string;
  readonly source: IpCacheSource;
  /**
   * Labels are merged with those of other resources and of the prefixes around. An identity is that of the prefix
   * itself (a pod's address), is taken as it is, and is not passed on to prefixes inside.
   */
  readonly labels: LabelSet | { readonly identity: Identity };
}

/** The identity of a prefix, and by whose word. */
export interface IpCacheEntry {
  readonly prefix: Cidr;
  readonly identity: Identity;
  readonly source: IpCacheSource;
}

/**
 * Which identity an address has. Changes are taken up at once and worked out when something is read next, so that many
 * changes cost one pass and one save of the allocator. Reading throws what the allocator throws (`exhausted`,
 * `store-write`); what could be worked out stays, and the next reading goes on with the rest.
 */
export interface IpCache {
  /** Grows when an entry, or the labels of the host's identity, have changed. */
  readonly revision: number;
  /** Throws RangeError for an unknown source. */
  upsert(item: IpCacheUpsert): void;
  /** Takes back what the resource said about the prefix; false if it said nothing. */
  remove(prefix: Cidr, resource: string): boolean;
  /** Takes back everything that the resource said; how many prefixes that were. */
  removeResource(resource: string): number;
  /** Every prefix that something is said about, in order of address. */
  entries(): Iterable<IpCacheEntry>;
  /** The entry of exactly that prefix. */
  get(prefix: Cidr): IpCacheEntry | undefined;
  /** The identity of the longest prefix that contains the address; the world's where there is none. */
  lookup(ip: IpAddress): Identity;
  /** The local identities that entries have, each once. */
  identities(): Iterable<Identity>;
  /** Identity 1 with the labels of all prefixes that are this node's. */
  host(): Identity;
}

interface Slot {
  readonly prefix: Cidr;
  readonly contributions: Map<string, Contribution>;
  facts: PrefixFacts | undefined;
  entry: IpCacheEntry | undefined;
  /** Whether the entry's identity was allocated here and must be released. */
  allocated: boolean;
}

/** What an ipcache works with. */
export interface IpCacheOptions extends Families {
  /** Numbers the label sets of prefixes; its references are the ipcache's own. */
  readonly local: IdentityAllocator;
  readonly reserved?: ReservedIdentities;
}

/** An empty ipcache of a node with these families. */
export function createIpCache(options: IpCacheOptions): IpCache {
  return new TrieIpCache(options);
}

const HOST_LABELS = labelSet(['reserved:host']);
const sameIdentity = (a: Identity, b: Identity): boolean => a.id === b.id && equalLabelSets(a.labels, b.labels);

class TrieIpCache implements IpCache {
  readonly #local: IdentityAllocator;
  readonly #families: Families;
  readonly #world: Readonly<Record<4 | 6, Identity>>;
  readonly #slots = createPrefixTrie<Slot>();
  readonly #byResource = new Map<string, Map<string, Cidr>>();
  /** Prefixes said to have changed; those inside of them are worked out anew as well. */
  readonly #changed = new Map<string, Cidr>();
  readonly #pending = new Set<Slot>();
  /** How many entries have each allocated identity. */
  readonly #used = new Map<number, { readonly identity: Identity; entries: number }>();
  readonly #hostSlots = new Set<Slot>();
  #host: Identity = { id: RESERVED.host, labels: HOST_LABELS };
  #revision = 0;

  constructor({ local, ipv4, ipv6, reserved = createReservedIdentities({ ipv4, ipv6 }) }: IpCacheOptions) {
    this.#local = local;
    this.#families = { ipv4, ipv6 };
    const world = (family: 4 | 6): Identity => reserved.get(worldIdentity(family, this.#families))!;
    this.#world = { 4: world(4), 6: world(6) };
  }

  get revision(): number {
    this.#resolve();
    return this.#revision;
  }

  upsert({ prefix, resource, source, labels }: IpCacheUpsert): void {
    if (!IPCACHE_SOURCES.includes(source)) {
      throw new RangeError(`source: ${JSON.stringify(source)} is none of ${IPCACHE_SOURCES.join(', ')}`);
    }
    let slot = this.#slots.get(prefix);
    if (slot === undefined) {
      slot = { prefix, contributions: new Map(), facts: undefined, entry: undefined, allocated: false };
      this.#slots.set(prefix, slot);
    }
    const before = slot.contributions.get(resource);
    if (before !== undefined && before.source === source && sameContent(before.labels, labels)) return;
    slot.contributions.set(resource, { source, labels });
    slot.facts = undefined;
    let prefixes = this.#byResource.get(resource);
    if (prefixes === undefined) this.#byResource.set(resource, (prefixes = new Map()));
    prefixes.set(prefix.text, prefix);
    this.#changed.set(prefix.text, prefix);
  }

  remove(prefix: Cidr, resource: string): boolean {
    const slot = this.#slots.get(prefix);
    if (slot === undefined || !slot.contributions.delete(resource)) return false;
    slot.facts = undefined;
    const prefixes = this.#byResource.get(resource);
    prefixes?.delete(prefix.text);
    if (prefixes?.size === 0) this.#byResource.delete(resource);
    this.#changed.set(prefix.text, prefix);
    return true;
  }

  removeResource(resource: string): number {
    const prefixes = [...(this.#byResource.get(resource)?.values() ?? [])];
    for (const prefix of prefixes) this.remove(prefix, resource);
    return prefixes.length;
  }

  *entries(): Iterable<IpCacheEntry> {
    this.#resolve();
    for (const slot of this.#slots.values()) if (slot.entry !== undefined) yield this.#current(slot.entry);
  }

  get(prefix: Cidr): IpCacheEntry | undefined {
    this.#resolve();
    const entry = this.#slots.get(prefix)?.entry;
    return entry === undefined ? undefined : this.#current(entry);
  }

  lookup(ip: IpAddress): Identity {
    this.#resolve();
    const entry = this.#slots.covering(ip).findLast((slot) => slot.entry !== undefined)?.entry;
    return entry === undefined ? this.#world[ip.family] : this.#current(entry).identity;
  }

  *identities(): Iterable<Identity> {
    this.#resolve();
    for (const { identity } of this.#used.values()) yield identity;
  }

  host(): Identity {
    this.#resolve();
    return this.#host;
  }

  /** Entries that are this node's share one identity, whose labels are those of all of them. */
  #current(entry: IpCacheEntry): IpCacheEntry {
    return entry.identity.id === RESERVED.host ? { ...entry, identity: this.#host } : entry;
  }

  #resolve(): void {
    if (this.#changed.size === 0 && this.#pending.size === 0) return;
    for (const prefix of this.#changed.values()) for (const slot of this.#slots.within(prefix)) this.#pending.add(slot);
    this.#changed.clear();
    this.#local.batch(() => {
      for (const slot of this.#pending) {
        this.#resolveSlot(slot);
        this.#pending.delete(slot);
      }
    });
    this.#updateHost();
  }

  #resolveSlot(slot: Slot): void {
    if (slot.contributions.size === 0) {
      this.#replace(slot, undefined, false);
      this.#slots.delete(slot.prefix);
      return;
    }
    const facts = this.#facts(slot);
    const { prefix } = slot;
    if (facts.identity !== undefined) {
      this.#replace(slot, { prefix, identity: facts.identity, source: facts.source }, false);
      return;
    }
    const nearestFirst = this.#slots.covering(prefix).reverse().slice(1).map((around) => this.#facts(around));
    const labels = mergeLabels(prefix, facts, { nearestFirst, families: this.#families });
    if (slot.allocated && slot.entry?.source === facts.source && equalLabelSets(slot.entry.identity.labels, labels)) return;
    // The new one is taken before the old one is released, so that a failure leaves the entry as it is.
    this.#replace(slot, { prefix, identity: this.#local.allocate(labels), source: facts.source }, true);
  }

  #facts(slot: Slot): PrefixFacts {
    slot.facts ??= combine(slot.contributions);
    return slot.facts;
  }

  #replace(slot: Slot, entry: IpCacheEntry | undefined, allocated: boolean): void {
    const before = slot.entry;
    const wasAllocated = slot.allocated;
    slot.entry = entry;
    slot.allocated = allocated;
    if (entry?.identity.id === RESERVED.host) this.#hostSlots.add(slot);
    else this.#hostSlots.delete(slot);
    if (entry !== undefined && allocated) this.#count(entry.identity, 1);
    if (before !== undefined && wasAllocated) {
      this.#count(before.identity, -1);
      this.#local.release(before.identity.id);
    }
    const same =
      before === undefined || entry === undefined
        ? before === entry
        : before.source === entry.source && sameIdentity(before.identity, entry.identity);
    if (!same) this.#revision++;
  }

  #count(identity: Identity, change: 1 | -1): void {
    if (identity.id <= 255) return;
    const used = this.#used.get(identity.id) ?? { identity, entries: 0 };
    used.entries += change;
    if (used.entries === 0) this.#used.delete(identity.id);
    else this.#used.set(identity.id, used);
  }

  #updateHost(): void {
    const own = [...this.#hostSlots].sort((a, b) => (a.prefix.text < b.prefix.text ? -1 : 1));
    const merged = firstWins([HOST_LABELS, ...own.map((slot) => slot.entry!.identity.labels)]);
    if (equalLabelSets(merged, this.#host.labels)) return;
    this.#host = { id: RESERVED.host, labels: merged };
    this.#revision++;
  }
}

function sameContent(a: Contribution['labels'], b: Contribution['labels']): boolean {
  if ('identity' in a) return 'identity' in b && sameIdentity(a.identity, b.identity);
  return !('identity' in b) && equalLabelSets(a, b);
}
