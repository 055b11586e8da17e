import { describe, expect, it } from 'vitest';
import { absolute, formatTable, relative } from '../src/result.ts';
import { median, percentile, rounded, trimmedMean } from '../src/statistics.ts';

describe('statistics', () => {
  it('takes the nearest rank', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4);
    expect(percentile([5], 0)).toBe(5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('leaves out what lies at either end', () => {
    expect(trimmedMean([100, 1, 2, 3, 4, 5, 6, 7, 8, -50], 0.1)).toBe(4.5);
    expect(trimmedMean([1, 2], 0.1)).toBe(1.5);
    expect(() => trimmedMean([], 0.1)).toThrow(RangeError);
  });

  it('keeps four digits', () => {
    expect(rounded(123.456)).toBe(123.5);
    expect(rounded(0.000123412)).toBe(0.0001234);
  });
});

describe('a result', () => {
  it('has a ratio that is its value by its baseline, as reported', () => {
    const result = relative({ name: 'a', value: 123.456789, unit: 'ns', baseline: { name: 'b', value: 33.33333 }, n: 80 });
    expect(Math.abs((result.ratio ?? 0) * (result.baseline?.value ?? 0) - result.value)).toBeLessThan(0.001 * result.value);
  });

  it('shows as a row', () => {
    expect(formatTable([absolute('agent/rss', 120, 'MiB', 3), relative({ name: 'b', value: 2, unit: 'ns', baseline: { name: 'c', value: 1 }, n: 1 })]))
      .toBe('agent/rss  120  MiB                n=3\nb            2  ns   × 2.000  c 1  n=1');
  });
});
