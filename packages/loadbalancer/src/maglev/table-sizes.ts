/** The table sizes that Cilium accepts (`bpf-lb-maglev-table-size`): primes, so that every step visits every place. */
export const MAGLEV_TABLE_SIZES: readonly number[] = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];

/** Cilium's default; good for about 160 backends at an imbalance of at most 1 % (size ≥ 100 × backends). */
export const DEFAULT_MAGLEV_TABLE_SIZE = 16381;
