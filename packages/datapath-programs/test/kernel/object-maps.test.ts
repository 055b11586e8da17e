import { MAPS } from '@cilium-ts/datapath-layout';
import { expect, test } from 'vitest';
import { sizeOf } from '../../src/kernel/object-maps.ts';

test('maps have the size that is asked for, or their own', () => {
  expect(sizeOf({ cilium_policy: 1024 }, 'cilium_policy')).toBe(1024);
  expect(sizeOf({}, 'cilium_policy')).toBe(MAPS.cilium_policy.maxEntries);
});

test('a table of flows as large as a power of two gets an entry more, and so twice the buckets', () => {
  expect(sizeOf({}, 'cilium_flows')).toBe(MAPS.cilium_flows.maxEntries + 1);
  expect([1000, 1024, 1025].map((size) => sizeOf({ cilium_flows: size }, 'cilium_flows'))).toEqual([1000, 1025, 1025]);
});

test.each([0, -1, 1.5, Number.NaN])('%d entries are refused', (size) => {
  expect(() => sizeOf({ cilium_flows: size }, 'cilium_flows')).toThrow('sizes.cilium_flows: expected a whole number from 1 up');
});
