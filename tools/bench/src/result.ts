import { rounded } from './statistics.ts';

/** One measured value. `ratio` is value ÷ baseline.value, both from this run. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
  /** How many single measurements the value sums up. */
  readonly n: number;
}

/** What `--json` prints. */
export interface BenchReport {
  readonly kernel: string;
  readonly cpus: number;
  readonly results: readonly BenchResult[];
}

/** A result without baseline. */
export function absolute(name: string, value: number, unit: string, n: number): BenchResult {
  return { name, value: rounded(value), unit, n };
}

/** A result held against a baseline of the same run. */
export function relative({ name, value, unit, baseline, n }: Required<Omit<BenchResult, 'ratio'>>): BenchResult {
  const shown = { name: baseline.name, value: rounded(baseline.value) };
  return { name, value: rounded(value), unit, baseline: shown, ratio: Number((rounded(value) / shown.value).toPrecision(5)), n };
}

/** The results as a table for people. */
export function formatTable(results: readonly BenchResult[]): string {
  const rows = results.map(({ name, value, unit, ratio, baseline, n }) => [
    name, String(value), unit, ratio === undefined ? '' : `× ${ratio.toFixed(3)}`, baseline === undefined ? '' : `${baseline.name} ${baseline.value}`, `n=${n}`,
  ]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
}
