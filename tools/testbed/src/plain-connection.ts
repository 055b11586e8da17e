import type { IpAddress } from '@cilium-ts/core';
import { addressRequests, ifIndex, linkRequests, openNamespace, routeRequests, writeSysctl } from '@cilium-ts/netlink';
import type { IfIndex } from '@cilium-ts/netlink';

import { cidr, ip } from './addresses.ts';
import type { Place } from './place.ts';

/** A pod's addresses, as text. */
export interface PlainAddresses {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** 1,500 if absent. */
  readonly mtu?: number | undefined;
}

/** The pod's gateway; every host end has both, for its own pod only. */
const GATEWAY4 = '169.254.1.1';
const GATEWAY6 = 'fe80::1';

/**
 * A veth end whose index is that of its peer (both may be 2) is no "urgent event" to the kernel's link watcher: its queue,
 * and its IPv6, would start up to a second later. So host ends are numbered from where no pod's device is.
 */
export const FIRST_INDEX = 20_000;

const full = (address: IpAddress): number => (address.family === 4 ? 32 : 128);

/** A veth pair between node and pod, and the kernel's own routing: what a datapath is compared with. */
export const connectPlainly = async (node: Place, pod: Place, addresses: PlainAddresses): Promise<void> => {
  const pods = [addresses.ipv4, addresses.ipv6].filter((text) => text !== undefined).map(ip);
  const { mtu = 1500 } = addresses;
  using netns = openNamespace(pod.netns);
  const forwarding = { netns: node.netns };
  writeSysctl('net.ipv4.ip_forward', 1, forwarding);
  writeSysctl('net.ipv6.conf.all.forwarding', 1, forwarding);
  const number = (await node.netlink.listLinks({ kind: 'veth' })).length;
  const { index: host } = await node.netlink.createVeth({ name: `plain${number}`, index: ifIndex(FIRST_INDEX + number), mtu, peer: { name: 'eth0', mtu, netns } });
  const link = (await pod.netlink.getLink('eth0'))!.index;
  await pod.netlink.batch([
    linkRequests.set(link, { ipv6AddressGeneration: 'none' }),
    linkRequests.set(link, { up: true }),
    ...pods.map((address) => addressRequests.add({ link, address, prefixLength: full(address), flags: ['no-dad'] })),
    addressRequests.add({ link, address: ip('fe80::2'), prefixLength: 64, scope: 'link', flags: ['no-dad'] }),
  ]);
  await node.netlink.batch([
    linkRequests.set(host, { ipv6AddressGeneration: 'none' }),
    addressRequests.add({ link: host, address: ip(GATEWAY4), prefixLength: 32, scope: 'link' }),
    addressRequests.add({ link: host, address: ip(GATEWAY6), prefixLength: 64, scope: 'link', flags: ['no-dad'] }),
    linkRequests.set(host, { up: true }),
    ...pods.map((address) => routeRequests.add({ destination: cidr(address.text), link: host })),
  ]);
  await pod.netlink.batch(
    pods.map((address) =>
      address.family === 4
        ? routeRequests.add({ destination: cidr('0.0.0.0/0'), link, gateway: ip(GATEWAY4), onlink: true })
        : routeRequests.add({ destination: cidr('::/0'), link, gateway: ip(GATEWAY6) }),
    ),
  );
  await untilRunning(node, host);
  await untilRunning(pod, link);
};

/** The kernel announces a carrier from a work queue; until then the device drops what it is given, and hears no multicast. */
export const untilRunning = async (place: Place, link: IfIndex): Promise<void> => {
  for (let state: string | number = 'down'; state !== 'up'; ) {
    const found = await place.netlink.getLink(link);
    if (!found) throw new Error(`wait for device ${link} of ${place.name}: it is gone`);
    state = found.operationalState;
  }
};
