import type { MemoryMapOptions, MemoryMapType } from '../memory-map.ts';
import type { RawMap } from '../raw-map.ts';
import type { ComplianceCase } from './case.ts';
import { mapCase } from './case.ts';
import { failsWith, num, numberOf, pseudoRandom, refuses, same } from './check.ts';

const key = (value: number): Uint8Array => num(value, 8);
const valueOf = (map: RawMap, value: number): Uint8Array => num(value, map.valueSize);
const found = (map: RawMap, index: number): number | undefined => {
  const value = map.lookup(key(index));
  return value === undefined ? undefined : numberOf(value);
};
const keysOf = (map: RawMap): number[] => Array.from(map.entries(), ([each]) => numberOf(each)).sort((a, b) => a - b);
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function entryCases(options: MemoryMapOptions): ComplianceCase[] {
  return [
    mapCase('stores, replaces and removes', options, (map) => {
      same(found(map, 1), undefined, 'look-up of a missing key');
      map.update(key(1), valueOf(map, 10));
      map.update(key(2), valueOf(map, 20));
      same(found(map, 1), 10, 'look-up');
      map.update(key(1), valueOf(map, 11));
      same([found(map, 1), found(map, 2)], [11, 20], 'after a replacement');
      same(map.delete(key(1)), true, 'removal');
      same(map.delete(key(1)), false, 'second removal');
      same([found(map, 1), found(map, 2)], [undefined, 20], 'after a removal');
    }),
    mapCase('compares whole keys', options, (map) => {
      const other = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1);
      map.update(key(1), valueOf(map, 10));
      same(map.lookup(other), undefined, 'look-up of a key that differs in the last byte');
      map.update(other, valueOf(map, 20));
      same(found(map, 1), 10, 'look-up of the first');
    }),
    mapCase('keeps copies', options, (map) => {
      const [k, v] = [key(1), valueOf(map, 10)];
      map.update(k, v);
      k.fill(9);
      v.fill(9);
      map.lookup(key(1))?.fill(9);
      for (const [eachKey, eachValue] of map.entries()) {
        eachKey.fill(9);
        eachValue.fill(9);
      }
      same([keysOf(map), found(map, 1)], [[1], 10], 'after every buffer was overwritten');
    }),
    mapCase('heeds update flags', options, (map) => {
      failsWith('ENOENT', () => map.update(key(1), valueOf(map, 1), 'exist'), 'replacing what is not there');
      map.update(key(1), valueOf(map, 1), 'noexist');
      failsWith('EEXIST', () => map.update(key(1), valueOf(map, 2), 'noexist'), 'creating what is there');
      same(found(map, 1), 1, 'after a refused creation');
      map.update(key(1), valueOf(map, 3), 'exist');
      same(found(map, 1), 3, 'after a replacement');
    }),
    mapCase('refuses buffers of other sizes', options, (map) => {
      const value = valueOf(map, 1);
      refuses(() => map.lookup(new Uint8Array(7)), 'look-up with a short key');
      refuses(() => map.update(key(1), value.subarray(1)), 'update with a short value');
      refuses(() => map.update(new Uint8Array(9), value), 'update with a long key');
      refuses(() => map.delete(new Uint8Array(0)), 'removal with an empty key');
      refuses(() => map.updateBatch(key(1), value, 2), 'batch with missing entries');
      same(keysOf(map), [], 'afterwards');
    }),
  ];
}

function walkCases(options: MemoryMapOptions): ComplianceCase[] {
  return [
    mapCase('walks over every entry once', options, (map) => {
      for (const index of range(40)) map.update(key(index), valueOf(map, index + 100));
      const seen = Array.from(map.entries(), ([k, v]) => [numberOf(k), numberOf(v)]).sort((a, b) => a[0]! - b[0]!);
      same(seen, range(40).map((index) => [index, index + 100]), 'entries');
    }),
    mapCase('can be emptied while it is walked', options, (map) => {
      for (const index of range(40)) map.update(key(index), valueOf(map, index));
      const seen: number[] = [];
      for (const [each] of map.entries()) {
        seen.push(numberOf(each));
        same(map.delete(each), true, 'removal of the entry just seen');
      }
      same([seen.sort((a, b) => a - b), keysOf(map)], [range(40), []], 'entries seen and left');
    }),
    mapCase('does batches', options, (map) => {
      const keys = new Uint8Array(30 * 8);
      const values = new Uint8Array(30 * map.valueSize);
      for (const index of range(30)) {
        keys.set(key(index), index * 8);
        values.set(valueOf(map, index + 1), index * map.valueSize);
      }
      map.updateBatch(keys, values, 30);
      same([keysOf(map), found(map, 29)], [range(30), 30], 'after the update');
      same(map.deleteBatch(keys.subarray(0, 20 * 8), 20), 20, 'count of removed');
      same(map.deleteBatch(keys, 30), 10, 'count of removed, missing ones among them');
      map.updateBatch(keys.subarray(0, 0), values.subarray(0, 0), 0);
      same([map.deleteBatch(keys.subarray(0, 0), 0), keysOf(map)], [0, []], 'empty batches');
    }),
    mapCase('takes the later of two entries with one key in a batch', options, (map) => {
      const values = new Uint8Array(2 * map.valueSize);
      values.set(valueOf(map, 1));
      values.set(valueOf(map, 2), map.valueSize);
      map.updateBatch(Uint8Array.of(...key(7), ...key(7)), values, 2);
      same([keysOf(map), found(map, 7)], [[7], 2], 'after the update');
    }),
    mapCase('agrees with a list over 2,000 random steps', options, (map) => {
      const random = pseudoRandom(7);
      const model = new Map<number, number>();
      for (let step = 0; step < 2000; step++) {
        const index = random(30);
        if (random(3) === 0) same(map.delete(key(index)), model.delete(index), `step ${step}: removal of ${index}`);
        else {
          map.update(key(index), valueOf(map, step));
          model.set(index, step);
        }
        const probe = random(30);
        same(found(map, probe), model.get(probe), `step ${step}: look-up of ${probe}`);
      }
      same(keysOf(map), [...model.keys()].sort((a, b) => a - b), 'keys at the end');
    }),
  ];
}

function fullCase(options: MemoryMapOptions): ComplianceCase {
  return mapCase('says E2BIG when full, and still replaces', { ...options, maxEntries: 8 }, (map) => {
    for (const index of range(8)) map.update(key(index), valueOf(map, index));
    failsWith('E2BIG', () => map.update(key(8), valueOf(map, 8)), 'one entry too many');
    map.update(key(3), valueOf(map, 33));
    same([keysOf(map), found(map, 3)], [range(8), 33], 'when full');
    map.delete(key(0));
    map.update(key(8), valueOf(map, 8));
    same(keysOf(map), [1, 2, 3, 4, 5, 6, 7, 8], 'after making room');
  });
}

function evictionCase(options: MemoryMapOptions): ComplianceCase {
  return mapCase('makes room by itself', options, (map) => {
    for (const index of range(options.maxEntries * 4)) {
      map.update(key(index), valueOf(map, index));
      same(found(map, index), index, 'the entry just written');
    }
    const count = keysOf(map).length;
    if (count === 0 || count > options.maxEntries) throw new Error(`entries: ${count} of at most ${options.maxEntries}`);
  });
}

/** What maps of entries under arbitrary keys have in common, and what happens when they are full. */
export function hashCases(type: MemoryMapType): ComplianceCase[] {
  const options: MemoryMapOptions = { type, keySize: 8, valueSize: 4, maxEntries: 1024 };
  const atTheEnd = type.startsWith('lru') ? evictionCase(options) : fullCase(options);
  return [...entryCases(options), ...walkCases(options), atTheEnd];
}
