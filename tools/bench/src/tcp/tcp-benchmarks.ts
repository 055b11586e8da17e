import { createTestbed } from '@cilium-ts/testbed';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildTraffic } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import { createPair } from './pair.ts';
import { connectByPlainRoute } from './plain-route.ts';
import { PORT, runRounds, type TrafficMode } from './rounds.ts';

const modes: readonly { readonly name: string; readonly mode: TrafficMode; readonly unit: string }[] = [
  { name: 'tcp/rr', mode: 'rr', unit: '1/s' },
  { name: 'tcp/crr', mode: 'crr', unit: '1/s' },
  { name: 'tcp/throughput', mode: 'stream', unit: 'bit/s' },
];

const BASELINE = 'the same namespaces, routed by the kernel, no policy';

/** Real connections between two pods, against the kernel's own routing between the same two namespaces. */
export const tcpBenchmarks: Benchmark = { names: modes.map(({ name }) => name), run };

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  await using testbed = createTestbed({ name: 'bench-tcp' });
  await using pair = await createPair(testbed, PORT);
  const { from, to } = pair;
  const baselineAddress = await connectByPlainRoute(await testbed.createNode('router'), from.pod, to.pod);
  const course = { traffic: buildTraffic(), clientNetns: from.pod.netns, serverNetns: to.pod.netns, measuredAddress: to.address, baselineAddress, signal };
  const results: BenchResult[] = [];
  for (const { name, mode, unit } of modes.filter((each) => wanted(each.name))) {
    const { measured, baseline, rounds } = await runRounds(mode, course);
    progress(`${name}: ${measured.toPrecision(4)} ${unit}, kernel routing ${baseline.toPrecision(4)}`);
    results.push(relative({ name, value: measured, unit, baseline: { name: BASELINE, value: baseline }, n: rounds }));
  }
  return results;
}
