import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Testbed, TestbedNode } from '@cilium-ts/testbed';
import type { Pair } from '../tcp/pair.ts';
import { balancerOf } from './balancer.ts';
import { iptablesRules } from './kube-proxy-iptables.ts';
import { nftablesRules } from './kube-proxy-nftables.ts';
import { serviceSet, type BenchService } from './service-set.ts';
import { openServicesAtSockets } from './socket-services.ts';
import { CLUSTER_CIDR, createTopology, type Topology } from './topology.ts';

/** Who leads from a service to its backend. */
export type Kind = 'sockets' | Rival;
export type Rival = 'iptables' | 'iptables-legacy' | 'nftables';

/** A service address that leads to the server. */
export interface CrrWay {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Where the client's process runs. */
  readonly cgroup: string;
}

/** Where the server listens. */
export const BACKEND_PORT = 8080;
/** First two numbers of service addresses that are translated at the socket: no packet carries them. */
const SOCKET_PREFIX = '172.31';

/** A kind, and how many services there are. */
export interface WaySpec {
  readonly kind: Kind;
  readonly count: number;
}

export const wayName = ({ kind, count }: WaySpec): string => `${kind}-${count}`;

interface Surroundings {
  readonly testbed: Testbed;
  readonly pair: Pair;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Makes ways, each with tables of its own: nobody's services are in anybody else's way. */
export async function createWays(specs: readonly WaySpec[], { testbed, pair, progress, signal }: Surroundings): Promise<CrrWay[]> {
  const topology = createTopology(testbed, { client: pair.from.pod, server: pair.to.pod });
  const ways: CrrWay[] = [];
  for (const spec of specs) {
    signal.throwIfAborted();
    const began = performance.now();
    ways.push(spec.kind === 'sockets' ? await atSockets(spec, testbed, pair) : await byKubeProxy(spec, spec.kind, topology));
    progress(`${wayName(spec)}: written in ${(performance.now() - began).toFixed(0)} ms`);
  }
  return ways;
}

async function atSockets(spec: WaySpec, testbed: Testbed, pair: Pair): Promise<CrrWay> {
  const node = await testbed.createNode(wayName(spec));
  const { services, used } = serviceSet({ count: spec.count, prefix: SOCKET_PREFIX, backend: pair.to.address, backendPort: BACKEND_PORT });
  await openServicesAtSockets(node.folders, balancerOf(services));
  return { name: wayName(spec), address: used.address, port: used.port, cgroup: node.folders.cgroup };
}

async function byKubeProxy(spec: WaySpec, rival: Rival, topology: Topology): Promise<CrrWay> {
  const { router, backend, servicePrefix } = await topology.addWay(wayName(spec));
  const { services, used } = serviceSet({ count: spec.count, prefix: servicePrefix, backend, backendPort: BACKEND_PORT });
  await LOADERS[rival](router, services);
  return { name: wayName(spec), address: used.address, port: used.port, cgroup: router.folders.cgroup };
}

const LOADERS: Readonly<Record<Rival, (router: TestbedNode, services: readonly BenchService[]) => Promise<void>>> = {
  // As the machine has it: of the two kinds of iptables, kube-proxy uses the one that the system does.
  iptables: (router, services) => loadRules(router, ['iptables-restore'], [iptablesRules(services, CLUSTER_CIDR)]),
  'iptables-legacy': (router, services) => loadRules(router, ['iptables-legacy-restore'], [iptablesRules(services, CLUSTER_CIDR)]),
  nftables: (router, services) => loadRules(router, ['nft', '-f'], nftablesRules(services, CLUSTER_CIDR)),
};

async function loadRules(router: TestbedNode, [command = '', ...args]: readonly string[], transactions: readonly string[]): Promise<void> {
  const file = join(router.folders.state, 'rules');
  for (const rules of transactions) {
    writeFileSync(file, rules);
    await router.exec(command, ...args, file);
  }
}
