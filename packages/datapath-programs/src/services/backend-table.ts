import { ipFromKey16 } from '@cilium-ts/core';
import { ADDRESS_SIZE, backend, backendOffsets, BACKEND_STATE } from '@cilium-ts/datapath-layout';
import { putKey16 } from './key16.ts';
import type { WordBlock } from './ports.ts';
import type { BackendRecord, EndedBackend } from './records.ts';
import type { RestQueue } from './rest-queue.ts';

/** Words of a backend. */
export const BACKEND_WORDS = backend.size / 8;
/** Generation (low half) and pool. While the generation is 0, the other half keeps the last one. */
const LIFE_WORD = backendOffsets.generation / 8;
/** Port, protocol, state, zone, flags. */
const PORT_WORD = backendOffsets.port / 8;
const LOW = 0xffff_ffffn;
/** Backends read at a time. */
const CHUNK = 4096;
const STATES = Object.keys(BACKEND_STATE).map((name) => name.toLowerCase()) as readonly BackendRecord['state'][];

/**
 * The backends in the kernel. A backend comes to life by the store of its generation and ends by another one, and its
 * index then rests for a grace period. The generations of an index only grow, across restarts too.
 */
export class BackendTable {
  readonly #words: WordBlock;
  readonly #rest: RestQueue;
  readonly #live = new Map<number, BackendRecord>();
  /** By index: the pool of what lives, 0 for nothing. Runs are long, and each of their places asks. */
  readonly #pools: Uint32Array;
  readonly #resting = new Set<number>();
  readonly #fields = new BigUint64Array(BACKEND_WORDS);
  readonly #bytes = new Uint8Array(this.#fields.buffer);

  /** Reads what lives. */
  constructor(words: WordBlock, rest: RestQueue) {
    this.#words = words;
    this.#rest = rest;
    this.#pools = new Uint32Array(this.capacity);
    for (const record of readBackends(words)) this.#keep(record);
  }

  get live(): ReadonlyMap<number, BackendRecord> {
    return this.#live;
  }

  /** Indexes from 0 up to this. */
  get capacity(): number {
    return Math.floor(this.#words.length / BACKEND_WORDS);
  }

  /** The pool of the backend that lives at an index; 0 where none does. */
  poolAt(index: number): number {
    return this.#pools[index] ?? 0;
  }

  /** May a backend come to life here now? */
  isFree(index: number): boolean {
    return this.poolAt(index) === 0 && !this.#resting.has(index);
  }

  /** Brings a backend to life at a free index. */
  add(record: BackendRecord): void {
    const base = record.index * BACKEND_WORDS;
    const before = this.#words.load(base + LIFE_WORD);
    const last = (before & LOW) === 0n ? before >> 32n : before & LOW;
    const generation = last === LOW ? 1n : last + 1n;
    this.#encode(record);
    this.#fields[LIFE_WORD] = last << 32n;
    this.#words.write(base, this.#fields);
    this.#words.store(base + LIFE_WORD, (BigInt(record.pool) << 32n) | generation);
    this.#keep(record);
  }

  /** Writes what may differ while a backend lives: what only readers of the map look at. True if it did. */
  describe(record: BackendRecord): boolean {
    const word = record.index * BACKEND_WORDS + PORT_WORD;
    this.#live.set(record.index, record);
    this.#encode(record);
    const value = this.#fields[PORT_WORD] ?? 0n;
    if (this.#words.load(word) === value) return false;
    this.#words.store(word, value);
    return true;
  }

  /** Ends a backend that no run names any more. */
  end(index: number): EndedBackend | undefined {
    const record = this.#live.get(index);
    if (record === undefined) return undefined;
    const word = index * BACKEND_WORDS + LIFE_WORD;
    const generation = this.#words.load(word) & LOW;
    this.#words.store(word, generation << 32n);
    this.#live.delete(index);
    this.#pools[index] = 0;
    this.#resting.add(index);
    this.#rest.later(() => this.#resting.delete(index));
    return { record, generation: Number(generation) };
  }

  #keep(record: BackendRecord): void {
    this.#live.set(record.index, record);
    this.#pools[record.index] = record.pool;
  }

  #encode({ address, port, protocol, state, zone }: BackendRecord): void {
    this.#fields.fill(0n);
    putKey16(this.#bytes, backendOffsets.address, address);
    this.#bytes[backendOffsets.port] = port >>> 8;
    this.#bytes[backendOffsets.port + 1] = port;
    this.#bytes[backendOffsets.protocol] = protocol;
    this.#bytes[backendOffsets.state] = STATES.indexOf(state);
    this.#bytes[backendOffsets.zone] = zone;
  }
}

/** Whether two records are one backend: anything else about it may change while it lives. */
export function isSameBackend(a: BackendRecord, b: BackendRecord): boolean {
  return a.pool === b.pool && a.port === b.port && a.protocol === b.protocol && a.address.text === b.address.text;
}

/** Whether the backend that had this generation lives no more. */
export function isBackendGone(words: WordBlock, index: number, generation: number): boolean {
  const word = index * BACKEND_WORDS + LIFE_WORD;
  return word >= words.length || Number(words.load(word) & LOW) !== generation;
}

/** The backends that live, as they are in the kernel. */
export function* readBackends(words: WordBlock): Iterable<BackendRecord & { readonly generation: number }> {
  const all = Math.floor(words.length / BACKEND_WORDS);
  for (let first = 0; first < all; first += CHUNK) {
    const chunk = new BigUint64Array(Math.min(CHUNK, all - first) * BACKEND_WORDS);
    words.read(first * BACKEND_WORDS, chunk);
    const view = new DataView(chunk.buffer);
    for (let offset = 0; offset < chunk.byteLength; offset += backend.size) {
      const generation = view.getUint32(offset + backendOffsets.generation, true);
      if (generation === 0) continue;
      yield {
        index: first + offset / backend.size,
        pool: view.getUint32(offset + backendOffsets.pool, true),
        address: ipFromKey16(new Uint8Array(chunk.buffer, offset + backendOffsets.address, ADDRESS_SIZE)),
        port: view.getUint16(offset + backendOffsets.port),
        protocol: view.getUint8(offset + backendOffsets.protocol),
        state: STATES[view.getUint8(offset + backendOffsets.state)] ?? 'active',
        zone: view.getUint8(offset + backendOffsets.zone),
        generation,
      };
    }
  }
}
