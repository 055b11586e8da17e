import { join } from 'node:path';
import type { IpAddress } from '@cilium-ts/core';
import { openDatapath, openSocketLoadBalancer, type ServiceWriter } from '@cilium-ts/datapath-programs';
import type { LoadBalancer } from '@cilium-ts/loadbalancer';

/** Where the maps lie and whose sockets are translated. */
export interface SocketPlace {
  /** A folder on a bpffs. */
  readonly bpf: string;
  readonly cgroup: string;
}

/** Puts all services of a load balancer in force. */
export async function writeServices(writer: Pick<ServiceWriter, 'apply' | 'settled'>, balancer: LoadBalancer, nodeAddresses: readonly IpAddress[] = []): Promise<void> {
  const { failures } = await writer.apply({ records: balancer.records(), nodeAddresses });
  if (failures[0] !== undefined) throw new Error(`writing services failed: ${failures[0].message}`);
  await writer.settled();
}

/** Puts services in force for the sockets of a cgroup. They stay when this process goes; the testbed takes them down. */
export async function openServicesAtSockets({ bpf, cgroup }: SocketPlace, balancer: LoadBalancer): Promise<void> {
  const bpfRoot = join(bpf, 'services');
  await using datapath = await openDatapath({}, { bpfRoot });
  using _sockets = await openSocketLoadBalancer({}, { bpfRoot, cgroup });
  await writeServices(await datapath.services(), balancer);
}
