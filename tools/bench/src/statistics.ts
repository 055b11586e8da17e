/** The value below which a share of the values lies (nearest rank). @throws RangeError on an empty list */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('values: empty');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] as number;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The mean of what is left when this share of the values is taken away at either end. @throws RangeError on an empty list */
export function trimmedMean(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('values: empty');
  const cut = Math.floor(share * values.length);
  const kept = [...values].sort((a, b) => a - b).slice(cut, values.length - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/** Four significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
