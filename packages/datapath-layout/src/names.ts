import { DIRECTION, TRACE_POINT } from './generated/enums.ts';
import { REASON_TEXTS } from './generated/reasons.ts';

/** The text of a drop or metric reason, in Cilium's words where the meaning is Cilium's; never empty. */
export function reasonName(code: number): string {
  return REASON_TEXTS[code] ?? `Unknown reason (${code})`;
}

const TRACE_POINTS: Readonly<Record<number, string>> = {
  [TRACE_POINT.TO_ENDPOINT]: 'to-endpoint',
  [TRACE_POINT.TO_HOST]: 'to-host',
  [TRACE_POINT.TO_STACK]: 'to-stack',
};

/** The name of a trace point, as Cilium's monitor prints it. */
export function tracePointName(point: number): string {
  return TRACE_POINTS[point] ?? 'none';
}

/** Seen from the endpoint. */
export type DirectionName = 'unknown' | 'ingress' | 'egress';

/** The name of a direction code of events and metrics. */
export function directionName(code: number): DirectionName {
  if (code === DIRECTION.INGRESS) return 'ingress';
  return code === DIRECTION.EGRESS ? 'egress' : 'unknown';
}

/** IANA protocol numbers that policies and events name. */
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 2: 'IGMP', 4: 'IPIP', 6: 'TCP', 17: 'UDP', 41: 'IPv6', 47: 'GRE', 50: 'ESP', 51: 'AH', 58: 'ICMPv6', 112: 'VRRP', 132: 'SCTP' };

/** The usual name of an IP protocol, or its number as text. */
export function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}

const TCP_FLAG_NAMES = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const;

/** The names of the flags that are set in the flags byte of a TCP header. */
export function tcpFlagNames(bits: number): string[] {
  return TCP_FLAG_NAMES.filter((_, bit) => bits & (1 << bit));
}

/** Whether a protocol's row boundaries are ports (TCP, UDP, SCTP). */
export function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}
