/** The value below which a share of the values lies (nearest rank). @throws RangeError on an empty list */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('values: empty');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] as number;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Four significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
