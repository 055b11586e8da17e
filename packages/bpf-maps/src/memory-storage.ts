import { BpfMapsError } from './error.ts';
import type { UpdateFlags } from './raw-map.ts';

/** What a memory map of some type keeps its entries in. Keys and values have the right sizes; nothing is copied here. */
export interface MemoryStorage {
  get(key: Uint8Array): Uint8Array | undefined;
  set(key: Uint8Array, value: Uint8Array, flags: UpdateFlags): void;
  delete(key: Uint8Array): boolean;
  /** The entries at this moment. */
  snapshot(): [key: Uint8Array, value: Uint8Array][];
  /** The value under exactly this key, for iteration. */
  exact(key: Uint8Array): Uint8Array | undefined;
}

/** Bytes as text, to be used as a key. */
export function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Refuses what the flags refuse. */
export function checkFlags(exists: boolean, flags: UpdateFlags): void {
  if (exists && flags === 'noexist') throw new BpfMapsError('EEXIST', 'update memory map: the entry exists already');
  if (!exists && flags === 'exist') throw new BpfMapsError('ENOENT', 'update memory map: there is no such entry');
}

/** Entries by key. Full: `E2BIG`, or, where `evict` is set, the entry that was written longest ago makes room. */
export function hashStorage(maxEntries: number, evict: boolean): MemoryStorage {
  const entries = new Map<string, [key: Uint8Array, value: Uint8Array]>();
  const get = (key: Uint8Array): Uint8Array | undefined => entries.get(textOf(key))?.[1];
  return {
    get,
    exact: get,
    set(key, value, flags) {
      const text = textOf(key);
      const exists = entries.has(text);
      checkFlags(exists, flags);
      if (!exists && entries.size >= maxEntries) {
        if (!evict) throw new BpfMapsError('E2BIG', `update memory map: all ${maxEntries} entries are taken`);
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
      if (evict) entries.delete(text);
      entries.set(text, [key, value]);
    },
    delete: (key) => entries.delete(textOf(key)),
    snapshot: () => [...entries.values()],
  };
}

/** Every index exists from the start, as zeros, and none can be removed. */
export function arrayStorage(maxEntries: number, valueSize: number): MemoryStorage {
  const values = new Map<number, Uint8Array>();
  const indexOf = (key: Uint8Array): number => new DataView(key.buffer, key.byteOffset, 4).getUint32(0, true);
  const keyOf = (index: number): Uint8Array => {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, index, true);
    return key;
  };
  const at = (index: number): Uint8Array => values.get(index) ?? new Uint8Array(valueSize);
  const get = (key: Uint8Array): Uint8Array | undefined => (indexOf(key) < maxEntries ? at(indexOf(key)) : undefined);
  return {
    get,
    exact: get,
    set(key, value, flags) {
      const index = indexOf(key);
      if (index >= maxEntries) throw new BpfMapsError('E2BIG', `update memory map: index ${index} is beyond ${maxEntries - 1}`);
      checkFlags(true, flags);
      values.set(index, value);
    },
    delete() {
      throw new BpfMapsError('EINVAL', 'delete from memory map: elements of an array cannot be removed');
    },
    snapshot: () => Array.from({ length: maxEntries }, (_, index) => [keyOf(index), at(index)]),
  };
}
