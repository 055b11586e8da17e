import type { BenchContext, Benchmark } from '../benchmark.ts';
import { relative, type BenchResult } from '../result.ts';
import { measureInNamespace, UNIT } from './packet-benchmarks.ts';

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
  const measured = await measureInNamespace('services', progress, signal);
  const cost = (name: string): number => {
    const found = measured.find((each) => each.name === name);
    if (found === undefined) throw new Error(`measuring packets: ${name} is missing`);
    return found.median;
  };
  return measured
    .filter(({ name }) => wanted(name) && servicePacketBenchmarks.names.includes(name))
    .map(({ name, median, bursts }) => {
      const baseline = AGAINST_LOCAL.includes(name) ? LOCAL_BESIDE_SERVICES : UNIT;
      return relative({ name, value: median, unit: 'ns', baseline: { name: baseline, value: cost(baseline) }, n: bursts });
    });
}
