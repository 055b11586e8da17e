/** Longest sequence that unequal weights make, unless there are more backends: coarser steps than 1/4096 do not show. */
export const MAX_WEIGHTED_SEQUENCE = 4096;

/**
 * How often each backend stands in a sequence from which one place in n is taken at random, so that it gets its share
 * by weight: the smallest whole numbers in that proportion, or the nearest ones that add up to at most `limit`. Nobody
 * is left out. Weights are positive integers.
 */
export function weightedCounts(weights: readonly number[], limit: number = MAX_WEIGHTED_SEQUENCE): readonly number[] {
  const divisor = weights.reduce(greatestCommonDivisor, 0);
  const counts = weights.map((weight) => weight / divisor);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= limit) return counts;
  return counts.map((count) => Math.max(1, Math.floor((count * limit) / total)));
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
