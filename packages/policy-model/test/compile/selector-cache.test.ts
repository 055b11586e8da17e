import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Operator, Requirement } from '@cilium-ts/identity';
import { labelSet, selector, selectorMatches } from '@cilium-ts/identity';
import { createSelectorCache } from '../../src/compile/selector-cache.ts';
import { IDENTITIES } from '../helpers/random-policies.ts';

const requirement: fc.Arbitrary<Requirement> = fc
  .record({
    source: fc.constantFrom('any', 'k8s', 'reserved', 'cidr'),
    key: fc.constantFrom('app', 'tier', 'host', 'io.kubernetes.pod.namespace', 'io.cilium.k8s.policy.cluster'),
    prefix: fc.constantFrom('198.51.100.0/24', '198.51.100.128/25', '2001-db8-c--0/64'),
    operator: fc.constantFrom<Operator>('In', 'NotIn', 'Exists', 'DoesNotExist'),
    values: fc.subarray(['web', 'db', 'shop', 'bank', 'default', ''], { minLength: 1 }),
  })
  .map(({ source, key, prefix, operator, values }) => ({ source, key: source === 'cidr' ? prefix : key, operator, values: operator === 'In' || operator === 'NotIn' ? values : [] }));
const selectors = fc.array(fc.array(requirement, { maxLength: 3 }).map((list) => selector(list)), { maxLength: 12 });

test('finds what evaluating every selector finds, however selectors and labels arrive', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(selectors, selectors, fc.shuffledSubarray([...IDENTITIES]), (first, second, identities) => {
      const cache = createSelectorCache();
      const numbers = new Map(first.map((one) => [cache.add(one), one]));
      identities.slice(0, identities.length / 2).forEach(({ labels }) => cache.matching(labels));
      for (const one of second) numbers.set(cache.add(one), one);
      for (const { labels } of identities) {
        const expected = [...numbers].filter(([, one]) => selectorMatches(one, labels)).map(([number]) => number);
        expect([...cache.matching(labels)].sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      }
    }),
    { numRuns: 500, seed: 20260722 },
  );
});

test('evaluates nothing twice, and nothing that cannot match', () => {
  const cache = createSelectorCache();
  const app = (value: string) => selector([{ source: 'any', key: 'app', operator: 'In', values: [value] }]);
  for (let i = 0; i < 100; i++) cache.add(app(`v${i}`));
  const labels = labelSet(['k8s:app=v7']);
  expect(cache.matching(labels)).toHaveLength(1);
  expect(cache.evaluations).toBe(1);
  cache.matching(labelSet(['k8s:app=v7']));
  expect(cache.evaluations).toBe(1);
  expect(cache.add(app('v7'))).toBe(7);
  expect(cache.size).toBe(100);
  cache.add(selector([]));
  expect(cache.matching(labels)).toHaveLength(2);
  expect(cache.evaluations).toBe(2);
});
