import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadBalancer } from '@cilium-ts/loadbalancer';
import type { TestbedNode } from '@cilium-ts/testbed';
import { buildTraffic } from '../build-tools.ts';
import { start, stop } from '../command.ts';
import { sliceOf } from './balancer.ts';
import { writeServices } from './socket-services.ts';
import { BACKEND_ADDRESS, FIRST_BACKEND_PORT } from './change-benchmarks.ts';
import type { ServiceWriter } from '@cilium-ts/datapath-programs';

/** What is changed, and where. */
export interface EndpointChanges {
  /** Its cgroup is the one whose sockets are translated. */
  readonly node: TestbedNode;
  readonly writer: ServiceWriter;
  readonly balancer: LoadBalancer;
  /** Name of the service that is used. */
  readonly used: string;
  readonly address: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

const CHANGES = 500;
/** A datagram each: the measured times are exact to about that. */
const INTERVAL_US = 200;
/** So long without a datagram is a silence. */
const SILENCE_US = 3000;
const LIMIT_MS = 5000;

/** The first datagram that a backend received after a silence: when it was sent, CLOCK_MONOTONIC ns. */
interface Arrival {
  readonly backend: number;
  readonly at: bigint;
}

/**
 * From the moment when a source tells of a service's new endpoints until the first datagram that goes there, in
 * milliseconds: somebody sends to the service all the time, from a socket that is not connected; its only backend is now
 * the one, now the other.
 */
export async function measureEndpointChanges({ node, writer, balancer, used, address, port, signal }: EndpointChanges): Promise<number[]> {
  const ports = [FIRST_BACKEND_PORT, FIRST_BACKEND_PORT + 1];
  await node.exec('ip', 'address', 'add', `${BACKEND_ADDRESS}/32`, 'dev', 'lo');
  balancer.take();
  await writeServices(writer, balancer);
  const traffic = buildTraffic();
  const arrivals: Arrival[] = [];
  const receivers = ports.map((each, backend) => {
    const receiver = start([traffic, 'tick-receive', String(each), String(SILENCE_US)], { netns: node.netns });
    createInterface({ input: receiver.stdout! }).on('line', (line) => line.startsWith('up ') && arrivals.push({ backend, at: BigInt(line.slice(3)) }));
    return receiver;
  });
  const sender = start([traffic, 'tick-send-each', address, String(port), String(INTERVAL_US)], { netns: node.netns, cgroup: node.folders.cgroup });
  const times: number[] = [];
  try {
    await arrival(arrivals, 0, 0n);
    for (let i = 1; i <= CHANGES; i++) {
      signal.throwIfAborted();
      await sleep(2 * SILENCE_US / 1000 + Math.random() * 5);
      const backend = i % 2;
      const changed = process.hrtime.bigint();
      balancer.setEndpoints(used, sliceOf(used, [{ address: BACKEND_ADDRESS, port: ports[backend]! }], 'UDP'));
      const changes = balancer.take();
      await writer.apply({ records: balancer.records(), changed: changes, nodeAddresses: [] });
      times.push(Number((await arrival(arrivals, backend, changed)) - changed) / 1e6);
    }
  } finally {
    for (const each of [sender, ...receivers]) await stop(each);
  }
  return times;
}

/** When the first datagram was sent that this backend has received since. */
async function arrival(arrivals: readonly Arrival[], backend: number, since: bigint): Promise<bigint> {
  const deadline = performance.now() + LIMIT_MS;
  while (performance.now() < deadline) {
    const found = arrivals.findLast((each) => each.backend === backend && each.at >= since);
    if (found !== undefined) return found.at;
    await sleep(1);
  }
  throw new Error(`measuring changes of endpoints: no datagram came to backend ${backend} within ${LIMIT_MS} ms`);
}
