import { errorMessage, ipToKey16, type Logger } from '@cilium-ts/core';
import { encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { poolMember } from '@cilium-ts/datapath-layout';
import { isFull } from '../write/version-store.ts';
import type { BackendRecord } from './records.ts';

const PRESENT = new Uint8Array([1, 0, 0, 0]);

/**
 * The backends of pools that services in DSR mode have, in the kernel by what their packets carry: a node answers in a
 * service's name only for one of these. Other pools cost nothing.
 */
export class PoolMembers {
  readonly #map: RawMap | undefined;
  readonly #logger: Logger;
  readonly #pools = new Set<number>();
  /** By key: how many backends have it. One that gets another index lives twice for a while. */
  readonly #counts = new Map<string, number>();

  /** A map that is not there is not written: nobody asks it either. */
  constructor(map: RawMap | undefined, logger: Logger) {
    this.#map = map;
    this.#logger = logger;
  }

  /** Whether the members of a pool are in the kernel. */
  has(pool: number): boolean {
    return this.#pools.has(pool);
  }

  /** Makes the map say what lives in these pools, whatever it said before. */
  restore(pools: Iterable<number>, live: Iterable<BackendRecord>): void {
    if (this.#map === undefined) return;
    for (const pool of pools) this.#pools.add(pool);
    const present = new Map([...this.#map.entries()].map(([key]) => [textOf(key), key]));
    for (const record of live) {
      if (!this.has(record.pool)) continue;
      const key = keyOf(record);
      if (present.has(textOf(key))) this.#count(textOf(key), 1);
      else this.#insert(key);
    }
    for (const [text, key] of present) if (!this.#counts.has(text)) this.#map.delete(key);
  }

  /** Adds pools, and what lives in them. True if there was any that is new. */
  addPools(pools: ReadonlySet<number>, live: Iterable<BackendRecord>): boolean {
    const added = new Set([...pools].filter((pool) => pool !== 0 && !this.has(pool)));
    if (this.#map === undefined || added.size === 0) return false;
    for (const pool of added) this.#pools.add(pool);
    for (const record of live) if (added.has(record.pool)) this.#insert(keyOf(record));
    return true;
  }

  /** Takes pools out, with what lives in them. */
  removePools(pools: ReadonlySet<number>, live: Iterable<BackendRecord>): void {
    const removed = new Set([...pools].filter((pool) => this.#pools.delete(pool)));
    if (removed.size === 0) return;
    for (const record of live) if (removed.has(record.pool)) this.#remove(keyOf(record));
  }

  /** A backend that has come to life. */
  add(record: BackendRecord): void {
    if (this.has(record.pool)) this.#insert(keyOf(record));
  }

  /** A backend that ends. */
  delete(record: BackendRecord): void {
    if (this.has(record.pool)) this.#remove(keyOf(record));
  }

  #count(text: string, more: 1 | -1): number {
    const count = (this.#counts.get(text) ?? 0) + more;
    if (count === 0) this.#counts.delete(text);
    else this.#counts.set(text, count);
    return count;
  }

  #remove(key: Uint8Array): void {
    if (this.#count(textOf(key), -1) === 0) this.#map?.delete(key);
  }

  #insert(key: Uint8Array): void {
    if (this.#count(textOf(key), 1) > 1) return;
    try {
      this.#map?.update(key, PRESENT);
    } catch (error) {
      if (!isFull(error)) throw error;
      // As large as the map of backends: the machine has no memory left.
      this.#logger.error({ error: errorMessage(error) }, 'a backend found no room in cilium_pool_members: its node does not accept what other nodes send it for services in DSR mode');
    }
  }
}

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function keyOf({ address, pool, port, protocol }: BackendRecord): Uint8Array {
  return encodeBytes(poolMember, { address: ipToKey16(address), pool, port, protocol, reserved: 0 });
}
