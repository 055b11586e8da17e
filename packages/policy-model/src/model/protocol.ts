/** IP protocol numbers (IANA) that policies name. */
export const PROTOCOL = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, ICMPV6: 58, VRRP: 112, SCTP: 132 } as const;

/** Protocols with ports; what the protocol `ANY` of a port rule stands for. */
export const PORT_PROTOCOLS: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.SCTP];

/** Highest port, and the number of positions a row has per protocol minus one. */
export const MAX_PORT = 65535;

const names = new Map<number, string>([
  [PROTOCOL.ICMP, 'ICMP'],
  [PROTOCOL.IGMP, 'IGMP'],
  [PROTOCOL.TCP, 'TCP'],
  [PROTOCOL.UDP, 'UDP'],
  [PROTOCOL.ICMPV6, 'ICMPv6'],
  [PROTOCOL.VRRP, 'VRRP'],
  [PROTOCOL.SCTP, 'SCTP'],
]);

/** `TCP` for 6; the number itself as text for protocols without a name here. */
export function protocolName(protocol: number): string {
  return names.get(protocol) ?? String(protocol);
}

/** 6 for `tcp`, `TCP` or `6`; `undefined` for anything that names no protocol. */
export function parseProtocol(text: string): number | undefined {
  const upper = text.trim().toUpperCase();
  for (const [number, name] of names) if (name.toUpperCase() === upper) return number;
  if (!/^\d{1,3}$/.test(upper)) return undefined;
  const number = Number(upper);
  return number <= 255 ? number : undefined;
}

/** Whether the low half of a row position is a port (TCP, UDP, SCTP) or an ICMP type (ICMP, ICMPv6) for this protocol. */
export function positionMeaning(protocol: number): 'port' | 'icmp-type' | 'none' {
  if (PORT_PROTOCOLS.includes(protocol)) return 'port';
  return protocol === PROTOCOL.ICMP || protocol === PROTOCOL.ICMPV6 ? 'icmp-type' : 'none';
}
