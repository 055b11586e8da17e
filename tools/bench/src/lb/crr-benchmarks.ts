import { createTestbed } from '@cilium-ts/testbed';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildTraffic } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { createPair } from '../tcp/pair.ts';
import { BACKEND_PORT, createWays, wayName, type CrrWay, type Kind, type Rival, type WaySpec } from './crr-ways.ts';
import { measureRounds } from './rounds.ts';

/** How many services there are while one of them is used. */
const SIZES = [1, 100, 1000, 10_000] as const;
const RIVALS: readonly Rival[] = ['iptables', 'iptables-legacy', 'nftables'];

/** What is held against what. */
interface Comparison {
  readonly name: string;
  readonly value: WaySpec;
  readonly baseline: WaySpec;
}

const compare = (name: string, count: number, kind: Kind, against: number): Comparison => ({ name, value: { kind: 'sockets', count }, baseline: { kind, count: against } });
const comparisons: readonly Comparison[] = [
  ...SIZES.slice(1).map((count) => compare(`lb/crr-${count}-to-1`, count, 'sockets', 1)),
  ...RIVALS.flatMap((rival) => SIZES.map((count) => compare(`lb/crr-${count}-to-${rival}`, count, rival, count))),
];

/** Whole connections to a service's address, one request each: ours between two pods, against kube-proxy's rules between the same two. */
export const crrBenchmarks: Benchmark = { names: comparisons.map(({ name }) => name), run };

const ROUNDS = 41;
/** Of CPU time. */
const SECONDS = '0.06';

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const asked = comparisons.filter(({ name }) => wanted(name));
  await using testbed = createTestbed({ name: 'bench-lb' });
  await using pair = await createPair(testbed, BACKEND_PORT);
  const specs = new Map(asked.flatMap(({ value, baseline }) => [value, baseline]).map((spec) => [wayName(spec), spec]));
  const ways = await createWays([...specs.values()], { testbed, pair, progress, signal });
  const traffic = buildTraffic();
  const samples = await measureRounds(ways, ROUNDS, ({ address, port, cgroup }: CrrWay) => ({
    command: [traffic, 'crr', pair.from.pod.netns, pair.to.pod.netns, address, String(port), SECONDS, String(BACKEND_PORT)], cgroup, signal,
  }));
  const rate = (spec: WaySpec): number => median(samples.get(wayName(spec)) ?? []);
  for (const spec of specs.values()) progress(`${wayName(spec)}: ${rate(spec).toFixed(0)} connections per second of CPU time`);
  return asked.map(({ name, value, baseline }) =>
    relative({ name, value: rate(value), unit: '1/s', baseline: { name: wayName(baseline), value: rate(baseline) }, n: ROUNDS }));
}
