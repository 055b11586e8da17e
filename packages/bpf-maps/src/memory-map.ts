import { BpfMapsError } from './error.ts';
import { lpmStorage } from './memory-lpm.ts';
import type { MemoryStorage } from './memory-storage.ts';
import { arrayStorage, hashStorage } from './memory-storage.ts';
import type { RawMap, UpdateFlags } from './raw-map.ts';

/** The kernel's map types that have a twin in memory, by the kernel's names. */
export type MemoryMapType =
  | 'hash'
  | 'lru_hash'
  | 'percpu_hash'
  | 'lru_percpu_hash'
  | 'array'
  | 'percpu_array'
  | 'lpm_trie';

/** A map to be made. */
export interface MemoryMapOptions {
  readonly type: MemoryMapType;
  readonly keySize: number;
  /** Bytes of one value; in a per-CPU map, of one CPU's. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Possible CPUs, for per-CPU maps; 1 by default. */
  readonly cpus?: number;
}

/**
 * A map in memory that behaves as the kernel's map of that type, errors included: `E2BIG` and `ENOSPC` when full,
 * `EEXIST` and `ENOENT`, longest-prefix matches, eviction, values per CPU. What differs: an LRU map evicts exactly the
 * entry that was written longest ago, where the kernel's choice is approximate.
 * Throws RangeError for sizes that the kernel would refuse.
 */
export function memoryMap(options: MemoryMapOptions): RawMap {
  const { type, keySize, maxEntries, cpus = 1 } = options;
  for (const name of ['keySize', 'valueSize', 'maxEntries'] as const) {
    if (!Number.isInteger(options[name]) || options[name] < 1) {
      throw new RangeError(`${name}: expected a positive integer, got ${options[name]}`);
    }
  }
  const perCpu = type.includes('percpu');
  const valueSize = perCpu ? Math.ceil(options.valueSize / 8) * 8 * cpus : options.valueSize;
  return new MemoryMap({ keySize, valueSize, maxEntries }, storageOf(type, { keySize, valueSize, maxEntries }));
}

interface Sizes {
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

function storageOf(type: MemoryMapType, { keySize, valueSize, maxEntries }: Sizes): MemoryStorage {
  switch (type) {
    case 'hash':
    case 'percpu_hash':
      return hashStorage(maxEntries, false);
    case 'lru_hash':
    case 'lru_percpu_hash':
      return hashStorage(maxEntries, true);
    case 'array':
    case 'percpu_array':
      if (keySize !== 4) throw new RangeError(`keySize: the key of an array is an index of 4 bytes, got ${keySize}`);
      return arrayStorage(maxEntries, valueSize);
    case 'lpm_trie':
      if (keySize < 5) throw new RangeError(`keySize: a prefix length of 4 bytes and an address, got ${keySize}`);
      return lpmStorage(maxEntries, keySize);
    default:
      throw new TypeError(`type: there is no twin of a map of type ${JSON.stringify(type)}`);
  }
}

class MemoryMap implements RawMap {
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  #storage: MemoryStorage | undefined;

  constructor(sizes: Sizes, storage: MemoryStorage) {
    this.keySize = sizes.keySize;
    this.valueSize = sizes.valueSize;
    this.maxEntries = sizes.maxEntries;
    this.#storage = storage;
  }

  lookup(key: Uint8Array): Uint8Array | undefined {
    return this.#open().get(this.#sized(key, 'key', this.keySize))?.slice();
  }

  update(key: Uint8Array, value: Uint8Array, flags: UpdateFlags = 'any'): void {
    const storage = this.#open();
    this.#sized(key, 'key', this.keySize);
    this.#sized(value, 'value', this.valueSize);
    if (flags !== 'any' && flags !== 'noexist' && flags !== 'exist') {
      throw new TypeError(`flags: expected any, noexist or exist, got ${String(flags)}`);
    }
    storage.set(key.slice(), value.slice(), flags);
  }

  delete(key: Uint8Array): boolean {
    return this.#open().delete(this.#sized(key, 'key', this.keySize));
  }

  *entries(): Iterable<[Uint8Array, Uint8Array]> {
    const storage = this.#open();
    for (const [key] of storage.snapshot()) {
      const value = storage.exact(key);
      if (value !== undefined) yield [key.slice(), value.slice()];
    }
  }

  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    this.#sized(keys, 'keys', count * this.keySize);
    this.#sized(values, 'values', count * this.valueSize);
    for (let i = 0; i < count; i++) this.update(this.#slot(keys, i, this.keySize), this.#slot(values, i, this.valueSize));
  }

  deleteBatch(keys: Uint8Array, count: number): number {
    this.#sized(keys, 'keys', count * this.keySize);
    let deleted = 0;
    for (let i = 0; i < count; i++) if (this.delete(this.#slot(keys, i, this.keySize))) deleted++;
    return deleted;
  }

  close(): void {
    this.#storage = undefined;
  }

  #open(): MemoryStorage {
    if (this.#storage === undefined) throw new BpfMapsError('HANDLE_CLOSED', 'use memory map: it is closed');
    return this.#storage;
  }

  #sized(bytes: Uint8Array, name: string, size: number): Uint8Array {
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`${name}: expected a Uint8Array`);
    if (bytes.length !== size) throw new RangeError(`${name}: expected ${size} bytes, got ${bytes.length}`);
    return bytes;
  }

  #slot(bytes: Uint8Array, index: number, size: number): Uint8Array {
    return bytes.subarray(index * size, (index + 1) * size);
  }
}
