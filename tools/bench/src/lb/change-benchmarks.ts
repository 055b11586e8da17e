import { join } from 'node:path';
import { openDatapath, openSocketLoadBalancer, type ServiceWriter } from '@cilium-ts/datapath-programs';
import { createLoadBalancer, type LoadBalancer } from '@cilium-ts/loadbalancer';
import { createTestbed, type TestbedNode } from '@cilium-ts/testbed';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median, percentile } from '../statistics.ts';
import { balancerOf, objectsOf, pushAll } from './balancer.ts';
import { measureEndpointChanges } from './endpoint-change.ts';
import { serviceSet } from './service-set.ts';

const COUNT = 10_000;
const PROGRAM = `lb/program-${COUNT}-services`;
const CHANGE = 'lb/endpoint-change-p99';
const CHANGE_MEDIAN = 'lb/endpoint-change-p50';

/** What it takes to bring services to the kernel: ten thousand at once, and one change with those in place. */
export const changeBenchmarks: Benchmark = { names: [PROGRAM, CHANGE, CHANGE_MEDIAN], run };

const BACKENDS = 10;
const RUNS = 7;
export const BACKEND_ADDRESS = '192.0.2.10';
export const FIRST_BACKEND_PORT = 5301;

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  await using testbed = createTestbed({ name: 'bench-change' });
  const node = await testbed.createNode('node');
  const results: BenchResult[] = [];
  if (wanted(PROGRAM)) {
    const times: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      signal.throwIfAborted();
      await using stage = await openEmpty(node, `run${i}`);
      times.push(await program(stage.writer));
    }
    progress(`${COUNT} services: ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
    results.push(absolute(PROGRAM, median(times), 'ms', times.length));
  }
  if (wanted(CHANGE) || wanted(CHANGE_MEDIAN)) {
    await using stage = await openEmpty(node, 'change');
    using _sockets = await openSocketLoadBalancer({}, { bpfRoot: stage.bpfRoot, cgroup: node.folders.cgroup });
    const times = await measureEndpointChanges({ node, writer: stage.writer, ...tenThousand('UDP'), signal });
    progress(`endpoint change: median ${median(times).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms, slowest ${Math.max(...times).toFixed(2)} ms`);
    results.push(absolute(CHANGE, percentile(times, 0.99), 'ms', times.length), absolute(CHANGE_MEDIAN, median(times), 'ms', times.length));
  }
  return results;
}

interface Empty extends AsyncDisposable {
  readonly bpfRoot: string;
  readonly writer: ServiceWriter;
}

/** Maps without any service, and their writer. */
async function openEmpty(node: TestbedNode, name: string): Promise<Empty> {
  const bpfRoot = join(node.folders.bpf, name);
  const datapath = await openDatapath({}, { bpfRoot });
  return { bpfRoot, writer: await datapath.services(), [Symbol.asyncDispose]: () => datapath.close() };
}

/** The services as sources have them, made before the clock runs. */
function tenThousand(protocol: 'TCP' | 'UDP'): { readonly balancer: LoadBalancer; readonly used: string; readonly address: string; readonly port: number } {
  const { services, used } = serviceSet({ count: COUNT, prefix: '172.31', backend: BACKEND_ADDRESS, backendPort: FIRST_BACKEND_PORT, otherBackends: BACKENDS });
  return { balancer: balancerOf(services, { protocol }), used: used.name, address: used.address, port: used.port };
}

/** From the first object that a source pushes until all are in force. Returns milliseconds. */
async function program(writer: ServiceWriter): Promise<number> {
  const { services } = serviceSet({ count: COUNT, prefix: '172.31', backend: BACKEND_ADDRESS, backendPort: FIRST_BACKEND_PORT, otherBackends: BACKENDS });
  const objects = objectsOf(services);
  const began = performance.now();
  const balancer = pushAll(createLoadBalancer({ nodeName: 'bench' }), objects);
  const { failures } = await writer.apply({ records: balancer.records(), nodeAddresses: [] });
  const took = performance.now() - began;
  if (failures[0] !== undefined) throw new Error(`writing services failed: ${failures[0].message}`);
  return took;
}
