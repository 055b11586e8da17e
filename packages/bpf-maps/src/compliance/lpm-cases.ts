import type { RawMap } from '../raw-map.ts';
import type { ComplianceCase } from './case.ts';
import { mapCase } from './case.ts';
import { failsWith, num, numberOf, pseudoRandom, same } from './check.ts';

/** Prefix length and four bytes of address. */
const prefix = (length: number, ...address: number[]): Uint8Array => Uint8Array.of(...num(length, 4), ...address);
const put = (map: RawMap, key: Uint8Array, value: number): void => map.update(key, num(value, map.valueSize));
const find = (map: RawMap, key: Uint8Array): number | undefined => {
  const value = map.lookup(key);
  return value === undefined ? undefined : numberOf(value);
};

const options = { type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 256 } as const;

/** The address bits of a key, as text. */
const bitsOf = (key: Uint8Array): string => Array.from(key.subarray(4), (byte) => byte.toString(2).padStart(8, '0')).join('');

function randomCase(): ComplianceCase {
  return mapCase('agrees with a list over 2,000 random steps', options, (map) => {
    const random = pseudoRandom(11);
    /** Values by the bits of the prefix. */
    const model = new Map<string, number>();
    const octets = [0, 1, 128, 255];
    const randomKey = (): Uint8Array => prefix(random(33), 10, octets[random(4)]!, octets[random(4)]!, octets[random(4)]!);
    for (let step = 0; step < 2000; step++) {
      const key = randomKey();
      const bits = bitsOf(key).slice(0, numberOf(key));
      if (random(3) === 0) same(map.delete(key), model.delete(bits), `step ${step}: removal`);
      // Not up to the brim: older kernels cannot replace a prefix in a full trie.
      else if (model.has(bits) || model.size < 200) {
        put(map, key, step);
        model.set(bits, step);
      }
      const probe = randomKey();
      let longest: number | undefined;
      for (let length = 0; length <= numberOf(probe); length++) longest = model.get(bitsOf(probe).slice(0, length)) ?? longest;
      same(find(map, probe), longest, `step ${step}: look-up`);
    }
    same([...map.entries()].length, model.size, 'entries at the end');
  });
}

/** What tries of prefixes do. */
export function lpmCases(): ComplianceCase[] {
  return [
    mapCase('finds the longest prefix that covers the key', options, (map) => {
      put(map, prefix(8, 10, 0, 0, 0), 8);
      put(map, prefix(24, 10, 1, 1, 0), 24);
      put(map, prefix(32, 10, 1, 1, 1), 32);
      const probes = [prefix(32, 10, 1, 1, 1), prefix(32, 10, 1, 1, 2), prefix(32, 10, 2, 0, 0), prefix(32, 11, 0, 0, 0)];
      same(probes.map((key) => find(map, key)), [32, 24, 8, undefined], 'values of addresses');
      same(find(map, prefix(16, 10, 1, 0, 0)), 8, 'value of a prefix between two');
      put(map, prefix(0, 0, 0, 0, 0), 100);
      same(find(map, prefix(32, 11, 0, 0, 0)), 100, 'value of the empty prefix');
    }),
    mapCase('replaces and removes exactly the prefix, whatever bits follow it', options, (map) => {
      put(map, prefix(8, 10, 0, 0, 0), 1);
      put(map, prefix(16, 10, 1, 0, 0), 2);
      put(map, prefix(8, 10, 9, 9, 9), 3);
      same([[...map.entries()].length, find(map, prefix(32, 10, 0, 0, 1))], [2, 3], 'after a replacement');
      same(map.delete(prefix(12, 10, 0, 0, 0)), false, 'removal of a length that is not there');
      same(map.delete(prefix(16, 10, 1, 7, 7)), true, 'removal');
      same([find(map, prefix(32, 10, 1, 0, 0)), map.delete(prefix(16, 10, 1, 0, 0))], [3, false], 'after the removal');
    }),
    mapCase('refuses a length beyond the address', options, (map) => {
      failsWith('EINVAL', () => put(map, prefix(33, 10, 0, 0, 0), 1), 'update');
    }),
    mapCase('says ENOSPC when full', { ...options, maxEntries: 4 }, (map) => {
      for (let i = 0; i < 4; i++) put(map, prefix(32, 10, 0, 0, i), i);
      failsWith('ENOSPC', () => put(map, prefix(32, 10, 0, 0, 9), 9), 'one entry too many');
      map.delete(prefix(32, 10, 0, 0, 0));
      put(map, prefix(32, 10, 0, 0, 9), 9);
      same(find(map, prefix(32, 10, 0, 0, 9)), 9, 'after making room');
    }),
    mapCase('does batches', options, (map) => {
      const keys = Uint8Array.of(...prefix(8, 10, 0, 0, 0), ...prefix(16, 10, 1, 0, 0));
      map.updateBatch(keys, Uint8Array.of(...num(1, 4), ...num(2, 4)), 2);
      same([find(map, prefix(32, 10, 1, 0, 1)), find(map, prefix(32, 10, 2, 0, 1))], [2, 1], 'after the update');
      map.delete(prefix(8, 10, 0, 0, 0));
      same([map.deleteBatch(keys, 2), [...map.entries()].length], [1, 0], 'count of removed, and what is left');
    }),
    randomCase(),
  ];
}
