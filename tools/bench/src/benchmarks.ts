import { agentBenchmarks } from './agent/agent-benchmarks.ts';
import type { Benchmark } from './benchmark.ts';
import { packetBenchmarks } from './packet/packet-benchmarks.ts';
import { tcpBenchmarks } from './tcp/tcp-benchmarks.ts';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [packetBenchmarks, tcpBenchmarks, agentBenchmarks];
