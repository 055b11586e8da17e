import { addressBits, cidrOf, ipToKey16, type Cidr } from '@cilium-ts/core';
import { addressRef, ADDRESS_LOCAL, prefixKey, REMOTE_FLAG } from '@cilium-ts/datapath-layout';
import { encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import type { DatapathStore } from '../ports.ts';
import type { ApplyFailureReason, DesiredAddress, Slot } from '../state/desired.ts';
import { bumpAddress, bumpPrefixes } from './buckets.ts';
import type { GraceMark, GraceTracker } from './grace.ts';
import type { InsertGate } from './insert-gate.ts';
import type { Remotes } from './remotes.ts';
import { isFull } from './version-store.ts';

/** What an address leads to; with the next epoch, where a change waits for that. */
export type AddressTarget =
  | { readonly kind: 'slot'; readonly slot: Slot }
  | { readonly kind: 'remote'; readonly index: number; readonly identity: number; readonly host: boolean };

/** An address or prefix as it lies in the kernel. */
export interface AddressEntry {
  readonly cidr: Cidr;
  readonly target: AddressTarget;
}

/** Why an address could not be published; nothing of it is left behind. */
export interface AddressFailure {
  readonly failed: ApplyFailureReason;
  readonly message: string;
}

/** The addresses in the kernel. Insertions and replacements need the gate open: the caller waits for it. */
export class AddressBook {
  readonly gate: InsertGate;
  readonly #store: DatapathStore;
  readonly #remotes: Remotes;
  readonly #entries: Map<string, AddressEntry>;
  readonly #indexes: IndexPool;
  readonly #changed: Cidr[] = [];

  /** `found` is what lies in the kernel already. */
  constructor(store: DatapathStore, deps: { grace: GraceTracker; gate: InsertGate; remotes: Remotes }, found: Iterable<AddressEntry>) {
    this.#store = store;
    this.#remotes = deps.remotes;
    this.gate = deps.gate;
    this.#entries = new Map([...found].map((entry) => [entry.cidr.text, entry]));
    this.#indexes = createIndexPool(deps.remotes.length, [...this.#entries.values()], deps.grace);
  }

  /** By CIDR text. */
  get entries(): ReadonlyMap<string, AddressEntry> {
    return this.#entries;
  }

  /** The entry with the longest prefix strictly shorter than `cidr` that covers it. */
  covering(cidr: Cidr): AddressEntry | undefined {
    for (let length = cidr.prefixLength - 1; length >= 0; length--) {
      const entry = this.#entries.get(cidrOf(cidr.address, length).text);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  /** How many new entries the maps can take. */
  room(): { addresses: number; prefixes: number; remotes: number } {
    const exact = [...this.#entries.values()].filter(({ cidr }) => isExact(cidr)).length;
    const { addresses, prefixes } = this.#store;
    return { addresses: addresses.maxEntries - exact, prefixes: prefixes.maxEntries - (this.#entries.size - exact), remotes: this.#indexes.available() };
  }

  /** What is said when the map of an address or prefix is full. */
  full(cidr: Cidr): AddressFailure {
    return mapFull(cidr, this.#mapOf(cidr));
  }

  /** What is said when cilium_remotes is full. */
  remotesFull(cidr: Cidr): AddressFailure {
    return { failed: 'remotes-full', message: `cilium_remotes has no room for ${cidr.text}` };
  }

  /**
   * Makes an address or prefix stand for an identity: a new entry, or one word in an old one. `meanwhile`: only with
   * the next epoch, and as this identity until then, where nothing else is in force.
   */
  publishRemote(cidr: Cidr, { identity, host = false }: DesiredAddress, meanwhile?: number): AddressFailure | undefined {
    const word = remoteWord(identity, host);
    const previous = this.#entries.get(cidr.text)?.target;
    if (previous?.kind === 'remote') {
      this.#entries.set(cidr.text, { cidr, target: { kind: 'remote', index: previous.index, identity, host } });
      if (meanwhile !== undefined) {
        this.#remotes.prepare(previous.index, word);
        return undefined;
      }
      this.#remotes.store(previous.index, word);
      this.#changed.push(cidr);
      return undefined;
    }
    const index = this.#indexes.take();
    if (index === undefined) return this.remotesFull(cidr);
    if (meanwhile === undefined) this.#remotes.store(index, word);
    else this.#remotes.prepare(index, word, remoteWord(meanwhile, false));
    const failure = this.#write(cidr, index, { kind: 'remote', index, identity, host });
    if (failure !== undefined) this.#give(index);
    return failure;
  }

  /** With the next epoch, an entry stands for what its packets will be without it: it can be taken out after that. */
  foretellRemoval(cidr: Cidr, after: number): void {
    const target = this.#entries.get(cidr.text)?.target;
    if (target?.kind === 'remote') this.publishRemote(cidr, { identity: after }, target.identity);
  }

  /** Makes an address lead to a local endpoint. */
  publishLocal(cidr: Cidr, slot: Slot): AddressFailure | undefined {
    return this.#write(cidr, (ADDRESS_LOCAL | slot) >>> 0, { kind: 'slot', slot });
  }

  /** Takes an address or prefix out. */
  unpublish(cidr: Cidr): void {
    const entry = this.#entries.get(cidr.text);
    if (entry === undefined) return;
    this.#mapOf(cidr).delete(keyOf(cidr));
    this.gate.close();
    if (entry.target.kind === 'remote') this.#give(entry.target.index);
    this.#entries.delete(cidr.text);
    this.#changed.push(cidr);
  }

  /** Lets every flow to the changed addresses be decided anew. After each batch of changes. */
  flush(): void {
    const changed = this.#changed.splice(0);
    for (const cidr of changed) if (isExact(cidr)) bumpAddress(this.#store.node, ipToKey16(cidr.address));
    if (changed.some((cidr) => !isExact(cidr))) bumpPrefixes(this.#store.node);
  }

  /** Frees remote indexes unused for a grace period. */
  reclaim(): void {
    this.#indexes.reclaim();
  }

  #give(index: number): void {
    this.#remotes.forget(index);
    this.#indexes.give(index);
  }

  #mapOf(cidr: Cidr): RawMap {
    return isExact(cidr) ? this.#store.addresses : this.#store.prefixes;
  }

  #write(cidr: Cidr, ref: number, target: AddressTarget): AddressFailure | undefined {
    const previous = this.#entries.get(cidr.text);
    const map = this.#mapOf(cidr);
    try {
      map.update(keyOf(cidr), encodeBytes(addressRef, { ref }));
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.full(cidr);
    }
    if (previous !== undefined) this.gate.close();
    if (previous?.target.kind === 'remote') this.#give(previous.target.index);
    this.#entries.set(cidr.text, { cidr, target });
    this.#changed.push(cidr);
    return undefined;
  }
}

/** Whether a prefix is a single address, and so lies in the hash. */
export function isExact(cidr: Cidr): boolean {
  return cidr.prefixLength === addressBits(cidr.family);
}

/** A remote as the programs read it: the identity in the low half, flags in the high one. */
export function remoteWord(identity: number, host: boolean): bigint {
  return (BigInt(host ? REMOTE_FLAG.HOST : 0) << 32n) | BigInt(identity);
}

function keyOf(cidr: Cidr): Uint8Array {
  const address = ipToKey16(cidr.address);
  if (isExact(cidr)) return address;
  return encodeBytes(prefixKey, { prefixlen: (cidr.family === 4 ? 96 : 0) + cidr.prefixLength, address });
}

function mapFull(cidr: Cidr, map: RawMap): AddressFailure {
  const [failed, name] = isExact(cidr) ? (['addresses-full', 'cilium_addresses'] as const) : (['prefixes-full', 'cilium_prefixes'] as const);
  return { failed, message: `${name} has no room for ${cidr.text} (${map.maxEntries} entries)` };
}

interface IndexPool {
  /** How many take() can give. */
  available(): number;
  take(): number | undefined;
  give(index: number): void;
  reclaim(): void;
}

/** Free indexes of cilium_remotes; index 0 means nothing, and a returned one rests for a grace period. */
function createIndexPool(size: number, entries: readonly AddressEntry[], grace: GraceTracker): IndexPool {
  const used = new Set(entries.flatMap(({ target }) => (target.kind === 'remote' ? [target.index] : [])));
  const free: number[] = [];
  let next = 1;
  let fresh = size - 1 - used.size;
  const resting = new Map<number, GraceMark>();
  const reclaim = (): void => {
    for (const [index, since] of resting) {
      if (!grace.passed(since)) continue;
      resting.delete(index);
      free.push(index);
    }
  };
  return {
    available() {
      reclaim();
      return free.length + fresh;
    },
    take() {
      if (free.length === 0) reclaim();
      const returned = free.pop();
      if (returned !== undefined) return returned;
      while (used.has(next)) next++;
      if (next >= size) return undefined;
      fresh--;
      return next++;
    },
    give: (index) => void resting.set(index, grace.mark()),
    reclaim,
  };
}
