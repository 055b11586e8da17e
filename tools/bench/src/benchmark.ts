import type { BenchResult } from './result.ts';

/** What a benchmark may use. */
export interface BenchContext {
  /** Tells people how far it is; goes to standard error. */
  readonly progress: (text: string) => void;
  /** Was this result asked for? */
  readonly wanted: (name: string) => boolean;
  /** Fires on Ctrl-C: clean up and give up. */
  readonly signal: AbortSignal;
}

/** Measures one or more results together, because they share a set-up or must be interleaved. */
export interface Benchmark {
  readonly names: readonly string[];
  readonly run: (context: BenchContext) => Promise<BenchResult[]>;
}
