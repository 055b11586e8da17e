import type { Benchmark } from './benchmark.ts';
import { packetBenchmarks } from './packet/packet-benchmarks.ts';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [packetBenchmarks];
