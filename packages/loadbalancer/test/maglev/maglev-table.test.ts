import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MaglevBackend } from '../../src/index.ts';
import { maglevName, maglevTable } from '../../src/index.ts';

const size = 4093;
const backend = (number: number, weight = 1): MaglevBackend => {
  const text = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
  return { name: maglevName({ family: 4, text }, 80, 'TCP'), weight };
};
const numbers = (maxLength: number) => fc.uniqueArray(fc.integer({ min: 0, max: 0xffffff }), { minLength: 2, maxLength });
const seed = fc.integer({ min: 0, max: 0xffffffff });

/** Who has each place, by name. */
function owners(backends: readonly MaglevBackend[], options: { seed: number; size?: number }): readonly string[] {
  return Array.from(maglevTable(backends, { size, ...options }), (position) => backends[position]!.name);
}

function counts(table: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const name of table) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

test('names are those that Cilium hashes', () => {
  expect(maglevName({ family: 4, text: '10.0.0.1' }, 80, 'TCP')).toBe('[10.0.0.1:80/TCP,State:active]');
  expect(maglevName({ family: 6, text: 'fd00::1' }, 53, 'UDP')).toBe('[[fd00::1]:53/UDP,State:active]');
});

test('a table depends on the set of backends and the seed, not on their order', () => {
  fc.assert(
    fc.property(numbers(40), seed, fc.infiniteStream(fc.nat()), (list, seed, stream) => {
      const backends = list.map((number) => backend(number, 1 + (number % 3)));
      const shuffled = backends.map((one) => ({ one, key: stream.next().value })).sort((a, b) => a.key - b.key);
      expect(owners(shuffled.map(({ one }) => one), { seed })).toEqual(owners(backends, { seed }));
    }),
    { numRuns: 30 },
  );
});

test('every backend has its share: 1 % at most more or less where the table is 100 times as long', () => {
  fc.assert(
    fc.property(numbers(40), seed, (list, seed) => {
      const found = counts(owners(list.map((number) => backend(number)), { seed }));
      for (const count of found.values()) expect(Math.abs(count - size / list.length)).toBeLessThanOrEqual(1);
      expect(found.size).toBe(list.length);
    }),
    { numRuns: 30 },
  );
});

test('weights are respected: nobody is more than a place above its share, and nobody is left out', () => {
  fc.assert(
    fc.property(numbers(20), fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 20, maxLength: 20 }), seed, (list, weights, seed) => {
      const backends = list.map((number, index) => backend(number, weights[index]!));
      const total = backends.reduce((sum, { weight }) => sum + weight, 0);
      const found = counts(owners(backends, { seed }));
      for (const { name, weight } of backends) {
        const share = (size * weight) / total;
        expect(found.get(name) ?? 0).toBeGreaterThanOrEqual(Math.max(1, share - list.length));
        expect(found.get(name) ?? 0).toBeLessThanOrEqual(share + 1);
      }
    }),
    { numRuns: 30 },
  );
});

test('equal weights, whatever they are, make the table without weights', () => {
  const list = [1, 2, 3, 4, 5];
  expect(owners(list.map((number) => backend(number, 7)), { seed: 1 })).toEqual(owners(list.map((number) => backend(number)), { seed: 1 }));
});

test('when a backend goes, few places of others change', () => {
  fc.assert(
    fc.property(numbers(40), seed, (list, seed) => {
      const backends = list.map((number) => backend(number));
      const before = owners(backends, { seed });
      const after = owners(backends.slice(1), { seed });
      const gone = backends[0]!.name;
      const moved = before.filter((name, place) => name !== gone && name !== after[place]).length;
      // Of the places that could have stayed. Taking the remainder of a hash would move (n - 1) / n of them.
      expect(moved / size).toBeLessThan(0.25);
      expect(after).not.toContain(gone);
    }),
    { numRuns: 40 },
  );
});

test('when a backend of many goes or comes, hardly any place of others changes', () => {
  const backends = Array.from({ length: 100 }, (_, number) => backend(number));
  const before = owners(backends, { seed: 1, size: 16381 });
  const after = owners(backends.slice(0, 99), { seed: 1, size: 16381 });
  const moved = before.filter((name, place) => name !== backends[99]!.name && name !== after[place]).length;
  expect(moved / 16381).toBeLessThan(0.02);
});

test('no backends make an empty table; as many as places have one each', () => {
  expect(maglevTable([], { size: 251, seed: 1 })).toEqual(new Uint32Array(0));
  const full = owners(Array.from({ length: 251 }, (_, number) => backend(number)), { seed: 1, size: 251 });
  expect(new Set(full).size).toBe(251);
});

test('misuse throws RangeError that names the argument', () => {
  expect(() => maglevTable([backend(1)], { size: 1000, seed: 1 })).toThrow(/^size: expected one of 251, 509, .* got 1000$/);
  expect(() => maglevTable([backend(1, 0)], { size: 251, seed: 1 })).toThrow(/^backends: the weight of .* got 0$/);
  expect(() => maglevTable(Array.from({ length: 252 }, (_, n) => backend(n)), { size: 251, seed: 1 })).toThrow(/^backends: a table of 251 places/);
});
