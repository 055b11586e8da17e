import { maskBits, type Cidr } from '@cilium-ts/core';

/** A set of prefixes that can tell whether a shorter one of them covers another. */
export interface PrefixCover {
  add(cidr: Cidr): void;
  remove(cidr: Cidr): void;
  /** Is there a prefix shorter than this one that contains it? */
  covers(cidr: Cidr): boolean;
}

/** An empty set. A question costs one look-up for each length that occurs. */
export function createPrefixCover(): PrefixCover {
  const lengths = { 4: new Map<number, Set<string>>(), 6: new Map<number, Set<string>>() };
  return {
    add({ family, prefixLength, address }) {
      const known = lengths[family].get(prefixLength);
      if (known === undefined) lengths[family].set(prefixLength, new Set([text(address.bytes)]));
      else known.add(text(address.bytes));
    },
    remove({ family, prefixLength, address }) {
      const known = lengths[family].get(prefixLength);
      known?.delete(text(address.bytes));
      if (known?.size === 0) lengths[family].delete(prefixLength);
    },
    covers({ family, prefixLength, address }) {
      for (const [length, known] of lengths[family]) {
        if (length < prefixLength && known.has(text(maskBits(address.bytes, length)))) return true;
      }
      return false;
    },
  };
}

/** Bytes as a string of the same length: a key of sets. */
function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
