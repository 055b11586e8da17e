import type { MemoryMapOptions, MemoryMapType } from '../memory-map.ts';
import type { ComplianceCase } from './case.ts';
import { mapCase } from './case.ts';
import { failsWith, num, numberOf, same } from './check.ts';

const key = (index: number): Uint8Array => num(index, 4);

/** What arrays have in common. */
export function arrayCases(type: MemoryMapType): ComplianceCase[] {
  const options: MemoryMapOptions = { type, keySize: 4, valueSize: 8, maxEntries: 16 };
  return [
    mapCase('has every element from the start', options, (map) => {
      const elements = Array.from(map.entries(), ([each, value]) => [numberOf(each), value.some((byte) => byte !== 0)]);
      same(elements.sort((a, b) => Number(a[0]) - Number(b[0])), Array.from({ length: 16 }, (_, index) => [index, false]), 'elements');
    }),
    mapCase('stores values', options, (map) => {
      map.update(key(3), num(33, map.valueSize));
      map.update(key(3), num(34, map.valueSize), 'exist');
      same([numberOf(map.lookup(key(3))!), numberOf(map.lookup(key(4))!)], [34, 0], 'elements 3 and 4');
    }),
    mapCase('refuses what an array cannot do', options, (map) => {
      const value = num(1, map.valueSize);
      same(map.lookup(key(16)), undefined, 'look-up beyond the end');
      failsWith('E2BIG', () => map.update(key(16), value), 'update beyond the end');
      failsWith('EEXIST', () => map.update(key(0), value, 'noexist'), 'creating an element');
      failsWith('EINVAL', () => map.delete(key(0)), 'removing an element');
    }),
    mapCase('does batches', options, (map) => {
      const values = new Uint8Array(2 * map.valueSize);
      values.set(num(5, map.valueSize));
      values.set(num(9, map.valueSize), map.valueSize);
      map.updateBatch(Uint8Array.of(...key(5), ...key(9)), values, 2);
      same([5, 9, 6].map((index) => numberOf(map.lookup(key(index))!)), [5, 9, 0], 'elements 5, 9 and 6');
    }),
  ];
}

/** What maps with a value for each CPU have in common. */
export function perCpuCases(type: MemoryMapType): ComplianceCase[] {
  return [
    mapCase('keeps each CPU a slot of whole 8 bytes', { type, keySize: 4, valueSize: 12, maxEntries: 4 }, (map, { cpus }) => {
      same(map.valueSize, 16 * cpus, 'bytes of a value');
      const value = new Uint8Array(map.valueSize);
      for (let cpu = 0; cpu < cpus; cpu++) value.fill(cpu + 1, cpu * 16, cpu * 16 + 12);
      map.update(key(2), value);
      const read = map.lookup(key(2))!;
      for (let cpu = 0; cpu < cpus; cpu++) {
        same(read.subarray(cpu * 16, cpu * 16 + 12), value.subarray(cpu * 16, cpu * 16 + 12), `value of CPU ${cpu}`);
      }
    }),
  ];
}
