import { ethernet, icmp, icmpv6, ipv4, ipv6, packet, payload, tcp, udp, type Ipv4Fields, type Ipv6Fields, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import type { Pod } from './sandbox.ts';

export const A = { slot: 1, identity: 1001, ipv4: '10.0.0.1', ipv6: 'fd00::1', mac: '02:00:00:00:01:01', hostMac: '02:00:00:00:01:02' } as const satisfies Pod;
export const B = { slot: 2, identity: 1002, ipv4: '10.0.0.2', ipv6: 'fd00::2', mac: '02:00:00:00:02:01', hostMac: '02:00:00:00:02:02' } as const satisfies Pod;
/** The node, somebody outside that a policy can name, and the rest of the world. */
export const HOST = { 4: '10.0.0.254', 6: 'fd00::fe' } as const;
export const REMOTE = { 4: '192.0.2.7', 6: '2001:db8::7' } as const;
export const WORLD = { 4: '203.0.113.9', 6: '2001:db8:ffff::9' } as const;
export const IDENTITY = { host: 1, remote: 2002, world4: 9, world6: 10 } as const;

export type Family = 4 | 6;
export const FAMILIES = [{ family: 4 }, { family: 6 }] as const;
export const ip = (pod: Pod, family: Family): string => (family === 4 ? pod.ipv4 : pod.ipv6) ?? '';

type Extra = Partial<Ipv4Fields> & Partial<Ipv6Fields>;

/** An IP packet between any two addresses, as it leaves a pod (or, for `to()`, as the stack would hand it over). */
export function frame(family: Family, [source, destination]: readonly [string, string], layers: readonly Layer[], options: { readonly mac?: string; readonly gateway?: string; readonly ip?: Extra } = {}): Uint8Array {
  const network = family === 4 ? ipv4({ source, destination, ...options.ip }) : ipv6({ source, destination, ...options.ip });
  return packet(ethernet({ source: options.mac ?? A.mac, destination: options.gateway ?? A.hostMac }), network, ...layers);
}

/** A packet out of a pod. */
export function fromPod(pod: Pod, family: Family, destination: string, ...layers: readonly Layer[]): Uint8Array {
  return frame(family, [ip(pod, family), destination], layers, { mac: pod.mac, gateway: pod.hostMac });
}

/** A packet to a pod, out of the stack. */
export function toPod(pod: Pod, family: Family, source: string, ...layers: readonly Layer[]): Uint8Array {
  return frame(family, [source, ip(pod, family)], layers, { mac: pod.hostMac, gateway: pod.mac });
}

export const segment = (sourcePort: number, destinationPort: number, ...flags: TcpFlag[]): Layer => tcp({ sourcePort, destinationPort, flags });
export const datagram = (sourcePort: number, destinationPort: number): Layer => udp({ sourcePort, destinationPort });
export const echo = (family: Family, kind: 'request' | 'reply', id: number): Layer =>
  family === 4 ? icmp({ type: kind === 'request' ? 8 : 0, id }) : icmpv6({ type: kind === 'request' ? 128 : 129, id });
/** An ICMP error of the family about a packet given by its layers from IP on. */
export const unreachable = (family: Family): Layer => (family === 4 ? icmp({ type: 3, code: 3, rest: 0 }) : icmpv6({ type: 1, code: 4, rest: 0 }));
/** What an error quotes: the packet without its Ethernet header. */
export const quoted = (bytes: Uint8Array): Layer => payload(bytes.slice(14));
