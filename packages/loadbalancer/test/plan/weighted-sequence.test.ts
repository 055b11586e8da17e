import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_WEIGHTED_SEQUENCE, weightedCounts } from '../../src/plan/weighted-sequence.ts';

test('small weights become the smallest whole numbers in their proportion', () => {
  expect(weightedCounts([300, 100, 200])).toEqual([3, 1, 2]);
  expect(weightedCounts([7, 7])).toEqual([1, 1]);
  expect(weightedCounts([])).toEqual([]);
});

test('the sequence stays short, keeps everybody, and keeps the proportion to one part in a hundred', () => {
  const weight = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(fc.array(weight, { minLength: 2, maxLength: 30 }), (weights) => {
      const counts = weightedCounts(weights);
      const total = weights.reduce((sum, one) => sum + one, 0);
      const length = counts.reduce((sum, one) => sum + one, 0);
      expect(length).toBeLessThanOrEqual(MAX_WEIGHTED_SEQUENCE + weights.length);
      counts.forEach((count, place) => {
        expect(Number.isInteger(count) && count >= 1).toBe(true);
        expect(Math.abs(count / length - weights[place]! / total)).toBeLessThan(0.01);
      });
    }),
  );
});
