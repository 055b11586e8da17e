import { maskBits } from '@cilium-ts/core';
import { BpfMapsError } from './error.ts';
import type { MemoryStorage } from './memory-storage.ts';
import { checkFlags, textOf } from './memory-storage.ts';

/** The four bytes of prefix length that begin a key. */
const LENGTH_BYTES = 4;

/** Prefixes by length; a key is a `__u32` length in host order and the bits. Full: `ENOSPC`. */
export function lpmStorage(maxEntries: number, keySize: number): MemoryStorage {
  const bits = (keySize - LENGTH_BYTES) * 8;
  const byLength = new Map<number, Map<string, [key: Uint8Array, value: Uint8Array]>>();
  let size = 0;
  const lengthOf = (key: Uint8Array): number => {
    const length = new DataView(key.buffer, key.byteOffset, LENGTH_BYTES).getUint32(0, true);
    if (length > bits) throw new BpfMapsError('EINVAL', `use memory map: prefix length ${length} is beyond ${bits}`);
    return length;
  };
  const prefixOf = (key: Uint8Array, length: number): string => textOf(maskBits(key.subarray(LENGTH_BYTES), length));
  const exact = (key: Uint8Array): Uint8Array | undefined => {
    const length = lengthOf(key);
    return byLength.get(length)?.get(prefixOf(key, length))?.[1];
  };
  return {
    exact,
    get(key) {
      const longest = lengthOf(key);
      const lengths = [...byLength.keys()].filter((length) => length <= longest).sort((a, b) => b - a);
      for (const length of lengths) {
        const found = byLength.get(length)?.get(prefixOf(key, length));
        if (found !== undefined) return found[1];
      }
      return undefined;
    },
    set(key, value, flags) {
      const length = lengthOf(key);
      const prefix = prefixOf(key, length);
      const entries = byLength.get(length) ?? new Map<string, [Uint8Array, Uint8Array]>();
      const exists = entries.has(prefix);
      checkFlags(exists, flags);
      if (!exists && size >= maxEntries) {
        throw new BpfMapsError('ENOSPC', `update memory map: all ${maxEntries} entries are taken`);
      }
      byLength.set(length, entries.set(prefix, [key, value]));
      if (!exists) size++;
    },
    delete(key) {
      const length = lengthOf(key);
      const entries = byLength.get(length);
      if (entries === undefined || !entries.delete(prefixOf(key, length))) return false;
      if (entries.size === 0) byLength.delete(length);
      size--;
      return true;
    },
    snapshot: () => [...byLength.values()].flatMap((entries) => [...entries.values()]),
  };
}
