import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { addressRequests, ifIndex, linkRequests, openNamespace, routeRequests, writeSysctl } from '@cilium-ts/netlink';
import type { IfIndex, NetlinkRequest } from '@cilium-ts/netlink';

import { cidr, ip } from './addresses.ts';
import type { TestbedNode } from './node.ts';
import { makePlace } from './place.ts';
import type { Place } from './place.ts';
import { FIRST_INDEX, untilRunning } from './plain-connection.ts';
import type { Bench } from './testbed.ts';

export interface OutsideOptions {
  /** `outside` if absent. */
  readonly name?: string | undefined;
  /** Addresses that the outside answers on; two of each family from the documentation ranges if absent. */
  readonly addresses?: readonly string[] | undefined;
}

/** Addresses of a node's uplink, and of the outside's end of it. */
export interface Uplink {
  readonly device: string;
  readonly nodeIpv4: string;
  readonly nodeIpv6: string;
  readonly outsideIpv4: string;
  readonly outsideIpv6: string;
}

/** The world beyond the nodes: it routes between those connected to it, and answers on addresses of its own. */
export interface Outside extends Place {
  readonly addresses: readonly string[];
  /** Gives a node a device to the outside, addresses and default routes. */
  connect(node: TestbedNode): Promise<Uplink>;
  /** Routes a prefix (a node's pods) to a connected node. */
  route(prefix: string, node: TestbedNode): Promise<void>;
}

/** RFC 5737 and RFC 3849: documentation addresses, which nothing real uses. */
const ADDRESSES = ['198.51.100.10', '203.0.113.20', '2001:db8:51::10', '2001:db8:113::20'];

export const makeOutside = async (bench: Bench, name: string, options: OutsideOptions): Promise<Outside> => {
  const { addresses = ADDRESSES } = options;
  const folder = join(bench.folder, name);
  mkdirSync(folder);
  const place = await makePlace(bench, name, { path: join(folder, 'netns') });
  const lo = (await place.netlink.getLink('lo'))!.index;
  writeSysctl('net.ipv4.ip_forward', 1, { netns: place.netns });
  writeSysctl('net.ipv6.conf.all.forwarding', 1, { netns: place.netns });
  await place.netlink.batch(
    addresses.map(ip).map((address) => addressRequests.add({ link: lo, address, prefixLength: address.family === 4 ? 32 : 128, flags: ['no-dad'] })),
  );
  const uplinks = new Map<TestbedNode, Uplink>();
  const connect = async (node: TestbedNode): Promise<Uplink> => {
    const uplink = await connectNode(place, node);
    uplinks.set(node, uplink);
    return uplink;
  };
  const route = async (prefix: string, node: TestbedNode): Promise<void> => {
    const uplink = uplinks.get(node);
    if (!uplink) throw new TypeError(`node: ${node.name} is not connected`);
    const destination = cidr(prefix);
    await place.netlink.addRoute({ destination, gateway: ip(destination.family === 4 ? uplink.nodeIpv4 : uplink.nodeIpv6) });
  };
  return { ...place, addresses, connect, route };
};

/** Four addresses of 192.0.2.0/24 (RFC 5737), and a /64 of a unique local prefix (RFC 4193), for each node. */
const uplinkOf = (index: number): Uplink => {
  if (index > 63) throw new RangeError('node: at most 64 nodes have an uplink');
  const base = index * 4;
  const prefix = `fd00:c1:${index.toString(16)}:`;
  return { device: 'eth0', nodeIpv4: `192.0.2.${base + 2}`, outsideIpv4: `192.0.2.${base + 1}`, nodeIpv6: `${prefix}:2`, outsideIpv6: `${prefix}:1` };
};

const connectNode = async (outside: Place, node: TestbedNode): Promise<Uplink> => {
  const uplink = uplinkOf(node.index);
  using netns = openNamespace(node.netns);
  const { index: near } = await outside.netlink.createVeth({ name: `to-${node.index}`, index: ifIndex(FIRST_INDEX + node.index), peer: { name: uplink.device, netns } });
  const far = (await node.netlink.getLink(uplink.device))!.index;
  // Link-local addresses without duplicate address detection: neighbours are asked for from them, from the start.
  const setUp = (link: IfIndex, addresses: readonly [string, number][]): NetlinkRequest[] => [
    linkRequests.set(link, { ipv6AddressGeneration: 'none' }),
    linkRequests.set(link, { up: true }),
    ...addresses.map(([text, prefixLength]) => addressRequests.add({ link, address: ip(text), prefixLength, flags: ['no-dad'] })),
  ];
  await outside.netlink.batch(setUp(near, [[uplink.outsideIpv4, 30], [uplink.outsideIpv6, 64], ['fe80::1', 64]]));
  await node.netlink.batch([
    ...setUp(far, [[uplink.nodeIpv4, 30], [uplink.nodeIpv6, 64], ['fe80::2', 64]]),
    routeRequests.add({ destination: cidr('0.0.0.0/0'), link: far, gateway: ip(uplink.outsideIpv4) }),
    routeRequests.add({ destination: cidr('::/0'), link: far, gateway: ip(uplink.outsideIpv6) }),
  ]);
  await untilRunning(outside, near);
  await untilRunning(node, far);
  return uplink;
};
