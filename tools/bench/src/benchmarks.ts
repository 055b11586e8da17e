import { agentBenchmarks } from './agent/agent-benchmarks.ts';
import type { Benchmark } from './benchmark.ts';
import { changeBenchmarks } from './lb/change-benchmarks.ts';
import { connectBenchmarks } from './lb/connect-benchmarks.ts';
import { crrBenchmarks } from './lb/crr-benchmarks.ts';
import { maglevBenchmark } from './lb/maglev-benchmark.ts';
import { packetBenchmarks } from './packet/packet-benchmarks.ts';
import { servicePacketBenchmarks } from './packet/service-packet-benchmarks.ts';
import { bundleBenchmark } from './policy/bundle-benchmark.ts';
import { policyChangeBenchmarks } from './policy/change-benchmarks.ts';
import { compileBenchmark } from './policy/compile-benchmark.ts';
import { distilBenchmarks } from './policy/distil-benchmarks.ts';
import { explainBenchmark } from './policy/explain-benchmark.ts';
import { growthBenchmark } from './policy/growth-benchmark.ts';
import { heapBenchmark } from './policy/heap-benchmark.ts';
import { tcpBenchmarks } from './tcp/tcp-benchmarks.ts';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  packetBenchmarks, servicePacketBenchmarks, tcpBenchmarks,
  distilBenchmarks, policyChangeBenchmarks, compileBenchmark, heapBenchmark, growthBenchmark, explainBenchmark, bundleBenchmark,
  maglevBenchmark, connectBenchmarks, changeBenchmarks, crrBenchmarks, agentBenchmarks,
];
