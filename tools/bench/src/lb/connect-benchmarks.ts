import { createTestbed } from '@cilium-ts/testbed';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildTraffic } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { balancerOf } from './balancer.ts';
import { measureRounds } from './rounds.ts';
import { serviceSet } from './service-set.ts';
import { openServicesAtSockets } from './socket-services.ts';

/** The first connect(2) of each of many sockets, or that of one socket again and again. */
type Mode = 'first' | 'again';

interface ConnectWay {
  readonly name: string;
  readonly mode: Mode;
  readonly address: string;
  readonly cgroup: string;
}

const cases: readonly { readonly name: string; readonly mode: Mode; readonly to: 'service' | 'backend' }[] = [
  { name: 'lb/connect-udp-clusterip', mode: 'again', to: 'service' },
  { name: 'lb/connect-udp-no-service', mode: 'again', to: 'backend' },
  { name: 'lb/connect-udp-first-clusterip', mode: 'first', to: 'service' },
  { name: 'lb/connect-udp-first-no-service', mode: 'first', to: 'backend' },
];

/** connect(2) of UDP sockets whose cgroup has the shipped programs, against that of others. */
export const connectBenchmarks: Benchmark = { names: cases.map(({ name }) => name), run };

const SERVICES = 10_000;
const BACKEND = '192.0.2.10';
const PORT = 53;
const ROUNDS = 41;
/** Of CPU time. */
const SECONDS = '0.05';

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  await using testbed = createTestbed({ name: 'bench-connect' });
  const [place, bare] = [await testbed.createNode('sockets'), await testbed.createNode('bare')];
  await place.exec('ip', 'address', 'add', `${BACKEND}/32`, 'dev', 'lo');
  const { services, used } = serviceSet({ count: SERVICES, prefix: '172.31', backend: BACKEND, backendPort: PORT });
  await openServicesAtSockets(place.folders, balancerOf(services, { protocol: 'UDP' }));
  const asked = cases.filter(({ name }) => wanted(name));
  const bareName = (mode: Mode): string => `bare connect(2), ${mode === 'first' ? 'of a new socket' : 'repeated'}`;
  const ways: ConnectWay[] = [
    ...[...new Set(asked.map(({ mode }) => mode))].map((mode) => ({ name: bareName(mode), mode, address: BACKEND, cgroup: bare.folders.cgroup })),
    ...asked.map(({ name, mode, to }) => ({ name, mode, address: to === 'service' ? used.address : BACKEND, cgroup: place.folders.cgroup })),
  ];
  const traffic = buildTraffic();
  const samples = await measureRounds(ways, ROUNDS, ({ mode, address, cgroup }) => ({
    command: [traffic, 'connect', mode, place.netns, address, String(address === BACKEND ? PORT : used.port), SECONDS], cgroup, signal,
  }));
  const time = (name: string): number => median(samples.get(name) ?? []);
  for (const { name } of ways) progress(`${name}: ${time(name).toFixed(0)} ns`);
  return asked.map(({ name, mode }) => relative({ name, value: time(name), unit: 'ns', baseline: { name: bareName(mode), value: time(bareName(mode)) }, n: ROUNDS }));
}
