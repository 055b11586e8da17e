import { ethernet, icmp, icmpv6, ipv4, ipv6, packet, tcp, udp, type Ipv4Fields, type Ipv6Fields, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import { expect } from 'vitest';
import { MAC, type LocalPod, type Passage } from './node-sandbox.ts';

export type Family = 4 | 6;
export const FAMILIES = [{ family: 4 }, { family: 6 }] as const;
export const POD = { slot: 1, ipv4: '10.0.0.1', ipv6: 'fd00::1' } as const satisfies LocalPod;
export const SECOND = { slot: 2, ipv4: '10.0.0.2', ipv6: 'fd00::2' } as const satisfies LocalPod;
/** An endpoint of another node. */
export const REMOTE = { 4: '10.0.1.5', 6: 'fd00:1::5' } as const;
/** Somebody outside. */
export const FAR = { 4: '203.0.113.9', 6: '2001:db8:ffff::9' } as const;

export const of = (pod: LocalPod, family: Family): string => (family === 4 ? pod.ipv4 : pod.ipv6);

/** An IP packet as the node's device receives it. */
export function frame(family: Family, [source, destination]: readonly [string, string], layers: readonly Layer[], extra: Partial<Ipv4Fields> & Partial<Ipv6Fields> = {}): Uint8Array {
  const network = family === 4 ? ipv4({ source, destination, ...extra }) : ipv6({ source, destination, ...extra });
  return packet(ethernet({ source: MAC.router, destination: MAC.eth0 }), network, ...layers);
}

export const segment = (sourcePort: number, destinationPort: number, ...flags: TcpFlag[]): Layer => tcp({ sourcePort, destinationPort, flags });
export const datagram = (sourcePort: number, destinationPort: number): Layer => udp({ sourcePort, destinationPort });
export const echo = (family: Family, kind: 'request' | 'reply', id: number): Layer =>
  family === 4 ? icmp({ type: kind === 'request' ? 8 : 0, id }) : icmpv6({ type: kind === 'request' ? 128 : 129, id });
/** The identifier of an echo message. */
export const echoId = ({ data, packet: { ip } }: Passage): number => new DataView(data.buffer, data.byteOffset).getUint16(ip!.headerLength + 14 + 4);
/** Nobody listens at that port; as routers say that there is no way. */
export const portUnreachable = (family: Family): Layer => (family === 4 ? icmp({ type: 3, code: 3, rest: 0 }) : icmpv6({ type: 1, code: 4, rest: 0 }));
export const unreachable = (family: Family): Layer => (family === 4 ? icmp({ type: 3, code: 1, rest: 0 }) : icmpv6({ type: 1, code: 0, rest: 0 }));
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** That a packet came through well-formed, and who it is between. */
export function ends(passage: Passage): { readonly from: string; readonly to: string; readonly ports: readonly (number | undefined)[] } {
  expect(passage.verdict).not.toBe('drop');
  const { ip, transport } = passage.packet;
  expect(ip?.checksumValid).toBe(true);
  expect(transport?.checksumValid ?? true).toBe(true);
  return { from: ip!.source, to: ip!.destination, ports: [transport?.sourcePort, transport?.destinationPort] };
}
