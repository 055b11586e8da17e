import { hostCidr, parseCidr, parseIp } from '@cilium-ts/core';
import type { IpAddress, MacAddress } from '@cilium-ts/core';
import { addressRequests, ifIndex, linkRequests, neighbourRequests, NetlinkError, openNetlink, routeRequests } from '@cilium-ts/netlink';
import type { IfIndex, Namespace, Netlink, NetlinkRequest, RouteSpec } from '@cilium-ts/netlink';
import { AgentError } from '../error.ts';

/** Every host end has this link-local address, the gateway of its endpoint: one entry for the node, not one per endpoint. */
export const GATEWAY6 = parseIp('fe80::1')!;

const ANY4 = parseCidr('0.0.0.0/0')!;
const ANY6 = parseCidr('::/0')!;

/** The pair of devices to make. */
export interface PairSpec {
  readonly name: string;
  readonly index: number;
  readonly mac: MacAddress;
  readonly containerName: string;
  readonly containerMac: MacAddress;
  readonly mtu: number;
  readonly netns: Namespace;
  /** Shown by `ip link` as the device's alias, so that an operator sees whose it is. */
  readonly alias: string;
}

/** Addresses of an endpoint and of its gateway. */
export interface EndpointAddresses {
  readonly ipv4?: IpAddress | undefined;
  readonly ipv6?: IpAddress | undefined;
  readonly router4?: IpAddress | undefined;
  readonly router6?: IpAddress | undefined;
}

/** fe80::/64 with the interface id made from the MAC address (RFC 4291, appendix A): what the kernel itself would choose. */
export const linkLocal = (mac: MacAddress): IpAddress => {
  const [a, b, c, d, e, f] = mac.bytes as unknown as [number, number, number, number, number, number];
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
  return parseIp(`fe80::${hex(a ^ 2, b)}:${hex(c, 0xff)}:${hex(0xfe, d)}:${hex(e, f)}`)!;
};

const diagnose = async (netlink: Netlink, spec: PairSpec, cause: unknown): Promise<AgentError> => {
  const code = cause instanceof NetlinkError ? cause.code : undefined;
  if (code === 'busy') return new AgentError('exhausted', `create endpoint: interface index ${spec.index} is taken`, { cause });
  if (code !== 'exists') return new AgentError('failed', `create endpoint: ${(cause as Error).message}`, { cause });
  if (await netlink.getLink(spec.name)) return new AgentError('foreign-device', `create endpoint: the node has a device ${spec.name} already. Remove it, or choose another interface-name.`, { cause });
  return new AgentError('foreign-device', `create endpoint: the namespace ${spec.netns.path} has a device ${spec.containerName} already. Remove it, or choose another container-interface-name.`, { cause });
};

/**
 * Makes the pair, the far end in the endpoint's namespace in place, both ends down. Returns the far end's index and how
 * the node's namespace numbers the endpoint's. Throws AgentError `foreign-device`, `exhausted` (index taken), `failed`.
 */
export const createPair = async (netlink: Netlink, spec: PairSpec): Promise<{ readonly containerIndex: number; readonly netnsId: number }> => {
  const { name, index, mac, mtu, containerName, containerMac, netns } = spec;
  try {
    const link = await netlink.createVeth({ name, index: ifIndex(index), mac, mtu, peer: { name: containerName, mac: containerMac, mtu, netns } });
    return { containerIndex: link.peer ?? 0, netnsId: link.peerNamespaceId ?? -1 };
  } catch (cause) {
    throw await diagnose(netlink, spec, cause);
  }
};

/** Requests that set up the far end: addresses, its way out, and up. IPv6 addresses are used at once, without detection of duplicates. */
export const containerRequests = (index: number, mac: MacAddress, addresses: EndpointAddresses): NetlinkRequest[] => {
  const link = ifIndex(index);
  const { ipv4, ipv6, router4 } = addresses;
  const requests: NetlinkRequest[] = [linkRequests.set('lo', { up: true }), linkRequests.set(link, { ipv6AddressGeneration: 'none' })];
  if (ipv4) requests.push(addressRequests.replace({ link, address: ipv4, prefixLength: 32 }));
  if (ipv6) {
    requests.push(addressRequests.replace({ link, address: linkLocal(mac), prefixLength: 64, scope: 'link', flags: ['no-dad'] }));
    requests.push(addressRequests.replace({ link, address: ipv6, prefixLength: 128, flags: ['no-dad'] }));
  }
  requests.push(linkRequests.set(link, { up: true }));
  if (ipv4 && router4) requests.push(routeRequests.replace({ destination: ANY4, gateway: router4, onlink: true, link, source: ipv4 }));
  if (ipv6) requests.push(routeRequests.replace({ destination: ANY6, gateway: GATEWAY6, link, source: ipv6 }));
  return requests;
};

/** Sets up the far end in the endpoint's namespace. */
export const configureContainer = async (netns: Namespace, spec: { readonly index: number; readonly mac: MacAddress }, addresses: EndpointAddresses): Promise<void> => {
  using netlink = openNetlink({ netns });
  try {
    await netlink.batch(containerRequests(spec.index, spec.mac, addresses));
  } catch (cause) {
    throw new AgentError('failed', `create endpoint: set up the device in ${netns.path}: ${(cause as Error).message}`, { cause });
  }
};

/** Routes on the node to an endpoint. */
export const hostRoutes = (link: IfIndex, { ipv4, ipv6, router4, router6 }: EndpointAddresses): RouteSpec[] =>
  ([[ipv4, router4], [ipv6, router6]] as const).flatMap(([ip, source]) => (ip ? [{ destination: hostCidr(ip), link, source }] : []));

/** Requests that put the host end in service; to be sent only when the endpoint's policy is in the kernel. They may be repeated. */
export const hostRequests = (index: number, mac: MacAddress, addresses: EndpointAddresses): NetlinkRequest[] => {
  const link = ifIndex(index);
  const { ipv6 } = addresses;
  const requests: NetlinkRequest[] = [];
  if (ipv6) requests.push(addressRequests.replace({ link, address: GATEWAY6, prefixLength: 64, scope: 'link', flags: ['no-dad'] }));
  requests.push(linkRequests.set(link, { up: true }));
  for (const route of hostRoutes(link, addresses)) requests.push(routeRequests.replace(route), neighbourRequests.replace({ link, address: route.destination.address, mac }));
  return requests;
};

/** Requests to prepare the host end while it is down. */
export const hostPreparation = (spec: Pick<PairSpec, 'index' | 'alias'>): NetlinkRequest[] => [linkRequests.set(ifIndex(spec.index), { ipv6AddressGeneration: 'none', alias: spec.alias })];

/** The kernel announces a carrier from a work queue, usually within a millisecond, at worst after a second. */
const CARRIER_MS = 1500;

/** Waits until packets can pass the device: until then both ends drop them. False if that does not happen in time. */
export const waitForCarrier = async (netlink: Netlink, index: number): Promise<boolean> => {
  const deadline = performance.now() + CARRIER_MS;
  for (let wait = 0; performance.now() < deadline; wait = Math.min(20, wait + 1)) {
    if ((await netlink.getLink(ifIndex(index)))?.operationalState === 'up') return true;
    await new Promise((resolve) => { setTimeout(resolve, wait); });
  }
  return false;
};
