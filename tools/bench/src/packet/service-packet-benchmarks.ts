import type { BenchContext, Benchmark } from '../benchmark.ts';
import type { BenchResult } from '../result.ts';
import { measureSuite, relativeCost, UNIT } from './packet-benchmarks.ts';

/** An established packet from pod to pod on the node that has the services. */
export const LOCAL_BESIDE_SERVICES = 'pod to pod, established, 10,000 services on the node';

/** Held against the packet that goes to the same pod without a service; the others against a look-up. */
const AGAINST_LOCAL: readonly string[] = ['packet/clusterip-established', 'packet/clusterip-reply'];

/** Costs of single packets to services through the shipped programs. */
export const servicePacketBenchmarks: Benchmark = {
  names: [...AGAINST_LOCAL, 'packet/clusterip-new', 'packet/clusterip-answer', 'packet/xdp-snat-maglev-established', 'packet/xdp-dsr-ipip-established'],
  run,
};

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const costs = await measureSuite('services', progress, signal);
  return servicePacketBenchmarks.names.filter((name) => wanted(name)).map((name) => relativeCost(costs, name, AGAINST_LOCAL.includes(name) ? LOCAL_BESIDE_SERVICES : UNIT));
}
