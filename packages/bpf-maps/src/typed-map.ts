import type { Codec } from './codec.ts';
import { viewOf } from './codec.ts';
import type { RawMap, UpdateFlags } from './raw-map.ts';

/** A map of values. Owns the raw map: closing it closes that one. Fails as the raw map does. */
export interface TypedMap<K, V> extends Disposable {
  readonly raw: RawMap;
  readonly maxEntries: number;
  lookup(key: K): V | undefined;
  update(key: K, value: V, flags?: UpdateFlags): void;
  /** False if there was no such entry. */
  delete(key: K): boolean;
  /** In no particular order; see RawMap.entries. */
  entries(): Iterable<[key: K, value: V]>;
  keys(): Iterable<K>;
  /**
   * Creates or replaces many, a few system calls in all. Not atomic: a failure leaves those before it. Of two entries
   * with the same key the later one counts.
   */
  updateBatch(entries: Iterable<readonly [key: K, value: V]>): void;
  /** Removes many; missing ones are passed over. How many there were. */
  deleteBatch(keys: Iterable<K>): number;
  /** Removes everything that can be removed; how much that was. */
  clear(): number;
  close(): void;
}

/** Entries that go into one batch: enough to make a system call's cost disappear, few enough to keep buffers small. */
const BATCH = 2048;

/** Types a raw map. Throws TypeError if a codec's size is not that of the map's keys or values. */
export function typedMap<K, V>(raw: RawMap, codecs: { readonly key: Codec<K>; readonly value: Codec<V> }): TypedMap<K, V> {
  const { key, value } = codecs;
  if (key.size !== raw.keySize) throw new TypeError(`key: the codec has ${key.size} bytes, the map ${raw.keySize}`);
  if (value.size !== raw.valueSize) throw new TypeError(`value: the codec has ${value.size} bytes, the map ${raw.valueSize}`);
  return new CodecMap(raw, key, value);
}

class CodecMap<K, V> implements TypedMap<K, V> {
  readonly raw: RawMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #keyBytes: Uint8Array;
  readonly #valueBytes: Uint8Array;

  constructor(raw: RawMap, key: Codec<K>, value: Codec<V>) {
    this.raw = raw;
    this.#key = key;
    this.#value = value;
    this.#keyBytes = new Uint8Array(key.size);
    this.#valueBytes = new Uint8Array(value.size);
  }

  get maxEntries(): number {
    return this.raw.maxEntries;
  }

  lookup(key: K): V | undefined {
    const value = this.raw.lookup(this.#encodeKey(key));
    return value === undefined ? undefined : this.#value.decode(viewOf(value), 0);
  }

  update(key: K, value: V, flags: UpdateFlags = 'any'): void {
    const keyBytes = this.#encodeKey(key);
    this.#value.encode(value, viewOf(this.#valueBytes), 0);
    this.raw.update(keyBytes, this.#valueBytes, flags);
  }

  delete(key: K): boolean {
    return this.raw.delete(this.#encodeKey(key));
  }

  *entries(): Iterable<[K, V]> {
    for (const [key, value] of this.raw.entries()) {
      yield [this.#key.decode(viewOf(key), 0), this.#value.decode(viewOf(value), 0)];
    }
  }

  *keys(): Iterable<K> {
    for (const [key] of this.raw.entries()) yield this.#key.decode(viewOf(key), 0);
  }

  updateBatch(entries: Iterable<readonly [K, V]>): void {
    for (const chunk of chunks(entries)) {
      const keys = new Uint8Array(chunk.length * this.#key.size);
      const values = new Uint8Array(chunk.length * this.#value.size);
      const keyView = viewOf(keys);
      const valueView = viewOf(values);
      for (const [index, [key, value]] of chunk.entries()) {
        this.#key.encode(key, keyView, index * this.#key.size);
        this.#value.encode(value, valueView, index * this.#value.size);
      }
      this.raw.updateBatch(keys, values, chunk.length);
    }
  }

  deleteBatch(keys: Iterable<K>): number {
    let deleted = 0;
    for (const chunk of chunks(keys)) {
      const bytes = new Uint8Array(chunk.length * this.#key.size);
      const view = viewOf(bytes);
      for (const [index, key] of chunk.entries()) this.#key.encode(key, view, index * this.#key.size);
      deleted += this.raw.deleteBatch(bytes, chunk.length);
    }
    return deleted;
  }

  clear(): number {
    const keys = Array.from(this.raw.entries(), ([key]) => key);
    let deleted = 0;
    for (const chunk of chunks(keys)) {
      const bytes = new Uint8Array(chunk.length * this.#key.size);
      for (const [index, key] of chunk.entries()) bytes.set(key, index * this.#key.size);
      deleted += this.raw.deleteBatch(bytes, chunk.length);
    }
    return deleted;
  }

  close(): void {
    this.raw.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #encodeKey(key: K): Uint8Array {
    this.#key.encode(key, viewOf(this.#keyBytes), 0);
    return this.#keyBytes;
  }
}

function* chunks<T>(items: Iterable<T>): Iterable<T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < BATCH) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
