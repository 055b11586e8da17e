import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';
import { addressRequests, linkRequests, NetlinkError, routeRequests } from '@cilium-ts/netlink';
import type { IfIndex, Netlink, NetlinkRequest, RouteSpec } from '@cilium-ts/netlink';
import { AgentError } from '../error.ts';
import type { HostJournal } from './host-journal.ts';

/** Names of the node's own devices: the one that has the router addresses, and its other end. */
export const NODE_DEVICES = { host: 'cilium_host', net: 'cilium_net' } as const;

/** The node's side towards its endpoints. */
export interface NodeDevicesOptions {
  readonly router4?: IpAddress;
  readonly router6?: IpAddress;
  readonly ranges: readonly Cidr[];
  readonly mtu: number;
}

const foreign = (name: string): AgentError =>
  new AgentError('foreign-device', `create device ${name}: there is a device of that name that this agent did not make. Remove it (ip link delete ${name}), or run \`cilium cleanup\` of the agent it belongs to.`);

const createPair = async (netlink: Netlink, journal: HostJournal, mtu: number): Promise<IfIndex> => {
  const { host, net } = NODE_DEVICES;
  const there = await netlink.getLink(host);
  if (there) {
    if (journal.record.devices[host] !== there.index) throw foreign(host);
    return there.index;
  }
  if (await netlink.getLink(net)) throw foreign(net);
  const made = await netlink.createVeth({ name: host, mtu, peer: { name: net, mtu } });
  journal.update({ devices: { ...journal.record.devices, [host]: made.index } });
  return made.index;
};

/**
 * Makes or finds the pair cilium_host/cilium_net with the router addresses. Addresses of the ranges that no endpoint has
 * are unreachable rather than sent to the default route. Throws AgentError `foreign-device`.
 */
export const ensureNodeDevices = async (netlink: Netlink, journal: HostJournal, options: NodeDevicesOptions): Promise<IfIndex> => {
  const { router4, router6, ranges, mtu } = options;
  const link = await createPair(netlink, journal, mtu);
  const requests: NetlinkRequest[] = [linkRequests.set(link, { noArp: true, ipv6AddressGeneration: 'none', mtu }), linkRequests.set(NODE_DEVICES.net, { noArp: true, ipv6AddressGeneration: 'none', mtu, up: true })];
  const routers = [router4, router6].flatMap((ip) => (ip ? [hostCidr(ip).text] : []));
  // Of a former start with other ranges.
  for (const { address, prefixLength } of await netlink.listAddresses({ link })) if (!routers.includes(hostCidr(address).text)) requests.push(addressRequests.delete({ link, address, prefixLength }));
  if (router4) requests.push(addressRequests.replace({ link, address: router4, prefixLength: 32, scope: 'link' }));
  if (router6) requests.push(addressRequests.replace({ link, address: router6, prefixLength: 128, flags: ['no-dad'] }));
  requests.push(linkRequests.set(link, { up: true }));
  for (const destination of ranges) requests.push(routeRequests.replace(unreachableRoute(destination)));
  try {
    journal.update({ routes: ranges.map(({ text }) => text) });
    await netlink.batch(requests);
  } catch (error) {
    const hint = error instanceof NetlinkError && error.errnoName === 'EACCES' ? ' (is IPv6 disabled by net.ipv6.conf.default.disable_ipv6? then use --enable-ipv6=false)' : '';
    throw new AgentError('failed', `set up ${NODE_DEVICES.host}: ${(error as Error).message}${hint}`, { cause: error });
  }
  return link;
};

/** Weaker than any route to a part of the range; of equal prefix, weaker than what others set up. */
const UNREACHABLE_METRIC = 4_278_198_272;

/** The route that holds what no endpoint of a range has. */
export const unreachableRoute = (destination: Cidr): RouteSpec => ({ destination, type: 'unreachable', metric: UNREACHABLE_METRIC });

/** Takes the devices and routes away. */
export const removeNodeDevices = async (netlink: Netlink, record: { readonly devices: Readonly<Record<string, number>>; readonly ranges: readonly Cidr[] }): Promise<void> => {
  for (const destination of record.ranges) await netlink.deleteRoute(unreachableRoute(destination));
  const there = await netlink.getLink(NODE_DEVICES.host);
  if (there && record.devices[NODE_DEVICES.host] === there.index) await netlink.deleteLink(there.index);
};

/** Throws AgentError `address-conflict` if a device of others has an address inside the endpoints' ranges. `own` is the index of cilium_host, if it exists. */
export const checkRanges = async (netlink: Netlink, ranges: readonly Cidr[], own: number | undefined): Promise<void> => {
  for (const { address, link } of await netlink.listAddresses()) {
    const range = ranges.find((candidate) => cidrContains(candidate, address));
    if (!range || link === own) continue;
    const device = (await netlink.getLink(link))?.name ?? `number ${link}`;
    throw new AgentError('address-conflict', `check address ranges: ${address.text} of device ${device} lies in ${range.text}, which is for endpoints. Choose another --ipv${range.family}-range.`);
  }
};
