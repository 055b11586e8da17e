import type { ContainerPort, Json, Party, SimPacket } from './tables.ts';

export const NUMBERS: Readonly<Record<string, number>> = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, ICMPV6: 58, VRRP: 112, SCTP: 132 };

/** Whether a port of a protocol, a range of them, a name, or all of them is what the packet goes to. */
export function portMatches(written: { protocols: readonly number[]; port: string | number | undefined; endPort?: number | undefined }, packet: SimPacket, receiver: Party): boolean {
  if (!written.protocols.includes(packet.protocol)) return false;
  if (written.port === undefined || written.port === '' || Number(written.port) === 0) {
    return (written.endPort ?? 0) === 0 || packet.port <= (written.endPort ?? 0);
  }
  const first = Number(written.port);
  if (Number.isNaN(first)) return named(receiver.ports ?? [], String(written.port), packet);
  return packet.port >= first && packet.port <= Math.max(first, written.endPort ?? 0);
}

export function named(ports: readonly ContainerPort[], name: string, packet: SimPacket): boolean {
  return ports.some((port) => port.name === name.toLowerCase() && port.protocol === packet.protocol && port.port === packet.port);
}

/** A member of `toPorts[].ports`. */
export function ciliumPortMatches(spec: Json, packet: SimPacket, receiver: Party): boolean {
  const protocol = String(spec.protocol ?? '').toUpperCase();
  const protocols = protocol === '' || protocol === 'ANY' ? [6, 17, 132] : [NUMBERS[protocol]!];
  return portMatches({ protocols, port: spec.port, endPort: spec.endPort }, packet, receiver);
}

const TYPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  IPv4: { EchoReply: 0, DestinationUnreachable: 3, EchoRequest: 8, TimeExceeded: 11 },
  IPv6: { DestinationUnreachable: 1, PacketTooBig: 2, EchoRequest: 128, EchoReply: 129, NeighborSolicitation: 135 },
};

/** A member of `icmps[].fields`. */
export function icmpMatches({ family = 'IPv4', type }: Json, packet: SimPacket): boolean {
  const number = TYPES[family]![type] ?? Number(type);
  return packet.protocol === (family === 'IPv4' ? 1 : 58) && packet.port === number;
}
