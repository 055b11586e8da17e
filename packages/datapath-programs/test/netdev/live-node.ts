import { parseCidr, parseIp } from '@cilium-ts/core';
import { NAT_FLAG } from '@cilium-ts/datapath-layout';
import { openNamespace } from '@cilium-ts/netlink';
import type { Outside, Place, Probe, Testbed, TestbedNode, Uplink } from '@cilium-ts/testbed';
import { writeFileSync } from 'node:fs';
import { cleanupDatapath, openDatapath, openNodePrograms, openXdp, type AttachMode, type Datapath, type DesiredEndpoint, type NodePrograms, type Slot } from '../../src/index.ts';
import { policy } from '../support/world.ts';
import { ServiceMaps } from './service-maps.ts';

const SIZES = {
  cilium_flows: 4096, cilium_policy: 1024, cilium_rows: 4096, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048, cilium_events: 65_536,
  cilium_services: 1024, cilium_backends: 1024, cilium_service_runs: 4096, cilium_nat: 16_384,
} as const;

/** A pod of a live node. */
export interface LivePod {
  readonly place: Place;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A node whose pods and uplink have both kinds of programs, over the same maps. Services are written by the tests. */
export interface LiveNode extends AsyncDisposable {
  readonly node: TestbedNode;
  readonly uplink: Uplink;
  readonly pods: readonly LivePod[];
  readonly services: ServiceMaps;
  readonly programs: NodePrograms;
  readonly datapath: Datapath;
  readonly mode: AttachMode;
  /** Connections in its table whose source this node chose. */
  allocated(): number;
  attach(): void;
  detach(): boolean;
  /** Has generic XDP look at what comes in, until the answer is disposed of. */
  attachGenericXdp(): Promise<AsyncDisposable>;
  close(): Promise<void>;
}

export interface LiveNodeOptions {
  readonly name: string;
  readonly pods: number;
  readonly attachMode?: AttachMode;
}

/** Makes a node whose pods are 10.<index>.0.n and fd00:<index>::n, routed to by the outside only where that is asked to. */
export async function openLiveNode(testbed: Testbed, outside: Outside, options: LiveNodeOptions): Promise<LiveNode> {
  const node = await testbed.createNode(options.name);
  const uplink = await outside.connect(node);
  const bpfRoot = `${node.folders.bpf}/ct`;
  const datapath = await openDatapath({}, { bpfRoot, sizes: SIZES });
  const programs = await openNodePrograms({}, { bpfRoot, sizes: SIZES, ...(options.attachMode && { attachMode: options.attachMode }) });
  const services = new ServiceMaps((name) => programs.maps[name as keyof typeof programs.maps]);
  const endpoints: [Slot, DesiredEndpoint][] = [];
  const pods: LivePod[] = [];
  for (let slot = 1; slot <= options.pods; slot++) {
    const pod = { place: await node.createPod(`${options.name}-${slot}`), ipv4: `10.${node.index + 1}.0.${slot}`, ipv6: `fd00:${node.index + 1}::${slot}` };
    await node.connectPlainly(pod.place, pod);
    pods.push(pod);
    const host = (await node.netlink.listLinks({ kind: 'veth' })).find(({ name }) => name === `plain${slot}`)!;
    const inside = (await pod.place.netlink.getLink('eth0'))!;
    endpoints.push([slot as Slot, { id: 100 + slot, ipv4: parseIp(pod.ipv4)!, ipv6: parseIp(pod.ipv6)!, mac: inside.mac!, hostMac: host.mac!, ifindex: host.index, mtu: 1500, netnsId: host.peerNamespaceId ?? -1, identity: 300 + slot, policy: policy({}) }]);
  }
  const host = { identity: 1, host: true };
  await datapath.apply({ endpoints: new Map(endpoints), addresses: new Map([[uplink.nodeIpv4, host], [uplink.nodeIpv6, host]]) });
  const device = (await node.netlink.getLink(uplink.device))!.index;
  await programs.setDevices([{ ifindex: device, ipv4: parseIp(uplink.nodeIpv4)!, ipv6: parseIp(uplink.nodeIpv6)!, masquerade: { ipv4: true, ipv6: true } }]);
  await programs.setMasqueradeExclusions(['10.0.0.0/8', 'fd00:1::/32', 'fd00:2::/32', 'fd00:3::/32'].map((text) => parseCidr(text)!));
  for (const address of [uplink.nodeIpv4, uplink.nodeIpv6]) services.markVip(address);
  using netns = openNamespace(node.netns);
  netns.run(() => {
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    for (const [slot, endpoint] of endpoints) datapath.attach(slot, endpoint.ifindex);
  });
  const inNode = <T>(work: () => T): T => {
    using namespace = openNamespace(node.netns);
    return namespace.run(work);
  };
  const mode = inNode(() => programs.attach(device));
  const close = async (): Promise<void> => {
    inNode(() => programs.detach(device));
    programs.close();
    await datapath.close();
    inNode(() => cleanupDatapath({ bpfRoot, ifindexes: endpoints.map(([, { ifindex }]) => ifindex) }));
  };
  return {
    node, uplink, pods, services, programs, datapath, mode,
    allocated: () => programs.dumpNat().filter(({ allocated, direction }) => allocated && direction === 'original').length,
    attach: () => void inNode(() => programs.attach(device)),
    detach: () => inNode(() => programs.detach(device)),
    attachGenericXdp: async () => {
      const xdp = await openXdp({}, { bpfRoot, sizes: SIZES });
      inNode(() => xdp.attach(device, 'generic'));
      return {
        [Symbol.asyncDispose]: () => {
          inNode(() => xdp.detach(device));
          return xdp.close();
        },
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Makes a place listen to TCP and UDP on a port of all its addresses, or of the given ones. */
export async function listen(place: { readonly probe: () => Promise<Probe> }, port: number, addresses?: readonly string[]): Promise<void> {
  const probe = await place.probe();
  for (const protocol of ['tcp', 'udp'] as const) await probe.listen({ protocol, port, ...(addresses && { addresses }) });
}

/** An entry's flag by name: for expectations. */
export const DSR = NAT_FLAG.DSR;
