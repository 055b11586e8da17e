import { ipFromBytes, macFromBytes } from '@cilium-ts/core';
import { viewOf } from './bytes.ts';
import { internetChecksum, transportChecksum } from './checksum.ts';
import { TCP_FLAGS, type TcpFlag } from './transport.ts';

/** A packet taken apart for assertions; what the packet does not have is undefined. */
export interface ParsedPacket {
  readonly ethernet: { readonly source: string; readonly destination: string; readonly etherType: number };
  readonly arp?: { readonly operation: number; readonly senderMac: string; readonly senderIp: string; readonly targetMac: string; readonly targetIp: string };
  readonly ip?: ParsedIp;
  readonly transport?: ParsedTransport;
  /** What follows the innermost header that was understood. */
  readonly payload: Uint8Array;
}

/** Either IP header; `ttl` is IPv6's hop limit. */
export interface ParsedIp {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** The protocol of the payload, behind all extension headers. */
  readonly protocol: number;
  readonly ttl: number;
  /** False when the IPv4 header checksum is wrong; always true for IPv6. */
  readonly checksumValid: boolean;
  readonly fragment: { readonly offset: number; readonly more: boolean; readonly id: number } | undefined;
  /** Length of the header with options or extension headers. */
  readonly headerLength: number;
}

/** Ports, flags, or type and code, with the verdict on the checksum. */
export interface ParsedTransport {
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly flags?: readonly TcpFlag[];
  readonly type?: number;
  readonly code?: number;
  readonly checksumValid: boolean;
}

/** Takes an Ethernet frame apart. @throws RangeError when the frame ends within a header */
export function parsePacket(frame: Uint8Array): ParsedPacket {
  const ethernet = {
    destination: macFromBytes(frame.slice(0, 6)).text,
    source: macFromBytes(frame.slice(6, 12)).text,
    etherType: viewOf(frame).getUint16(12),
  };
  const rest = frame.slice(14);
  if (ethernet.etherType === 0x0806) return { ethernet, arp: parseArp(rest), payload: rest.slice(28) };
  if (ethernet.etherType !== 0x0800 && ethernet.etherType !== 0x86dd) return { ethernet, payload: rest };
  const ip = ethernet.etherType === 0x0800 ? parseIpv4(rest) : parseIpv6(rest);
  const length = ethernet.etherType === 0x0800 ? viewOf(rest).getUint16(2) : 40 + viewOf(rest).getUint16(4);
  const message = rest.slice(ip.headerLength, length);
  if (ip.fragment !== undefined && ip.fragment.offset > 0) return { ethernet, ip, payload: message };
  const addresses = ip.family === 4 ? [rest.slice(12, 16), rest.slice(16, 20)] : [rest.slice(8, 24), rest.slice(24, 40)];
  return { ethernet, ip, ...parseTransport(ip, message, addresses[0] ?? rest, addresses[1] ?? rest) };
}

function parseArp(bytes: Uint8Array): NonNullable<ParsedPacket['arp']> {
  return {
    operation: viewOf(bytes).getUint16(6),
    senderMac: macFromBytes(bytes.slice(8, 14)).text,
    senderIp: ipFromBytes(bytes.slice(14, 18)).text,
    targetMac: macFromBytes(bytes.slice(18, 24)).text,
    targetIp: ipFromBytes(bytes.slice(24, 28)).text,
  };
}

function parseIpv4(bytes: Uint8Array): ParsedIp {
  const view = viewOf(bytes);
  const headerLength = (view.getUint8(0) & 15) * 4;
  const word = view.getUint16(6);
  return {
    family: 4,
    source: ipFromBytes(bytes.slice(12, 16)).text,
    destination: ipFromBytes(bytes.slice(16, 20)).text,
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    checksumValid: internetChecksum(bytes.slice(0, headerLength)) === 0,
    fragment: word & 0x3fff ? { offset: (word & 0x1fff) * 8, more: (word & 0x2000) !== 0, id: view.getUint16(4) } : undefined,
    headerLength,
  };
}

function parseIpv6(bytes: Uint8Array): ParsedIp {
  const view = viewOf(bytes);
  let protocol = view.getUint8(6);
  let headerLength = 40;
  let fragment: ParsedIp['fragment'];
  while ([0, 43, 44, 51, 60, 135].includes(protocol)) {
    const next = view.getUint8(headerLength);
    const words = view.getUint8(headerLength + 1);
    if (protocol === 44) {
      const offset = view.getUint16(headerLength + 2);
      fragment = { offset: offset & 0xfff8, more: (offset & 1) !== 0, id: view.getUint32(headerLength + 4) };
    }
    headerLength += protocol === 44 ? 8 : protocol === 51 ? (words + 2) * 4 : (words + 1) * 8;
    protocol = next;
    if (fragment !== undefined && fragment.offset > 0) break;
  }
  return {
    family: 6,
    source: ipFromBytes(bytes.slice(8, 24)).text,
    destination: ipFromBytes(bytes.slice(24, 40)).text,
    protocol,
    ttl: view.getUint8(7),
    checksumValid: true,
    fragment,
    headerLength,
  };
}

function parseTransport(ip: ParsedIp, message: Uint8Array, source: Uint8Array, destination: Uint8Array): { transport?: ParsedTransport; payload: Uint8Array } {
  const view = viewOf(message);
  const protocol = ip.protocol;
  const whole = ip.fragment === undefined;
  const checksumValid = !whole || transportChecksum({ source, destination }, protocol, message) === 0;
  const ports = () => ({ sourcePort: view.getUint16(0), destinationPort: view.getUint16(2) });
  switch (protocol) {
    case 6: {
      const bits = view.getUint8(13);
      const flags = (Object.keys(TCP_FLAGS) as TcpFlag[]).filter((flag) => bits & TCP_FLAGS[flag]);
      return { transport: { protocol, ...ports(), flags, checksumValid }, payload: message.slice((view.getUint8(12) >> 4) * 4) };
    }
    case 17:
      return { transport: { protocol, ...ports(), checksumValid: checksumValid || view.getUint16(6) === 0 }, payload: message.slice(8) };
    case 132:
      return { transport: { protocol, ...ports(), checksumValid: true }, payload: message.slice(12) };
    case 1:
      return {
        transport: { protocol, type: view.getUint8(0), code: view.getUint8(1), checksumValid: !whole || internetChecksum(message) === 0 },
        payload: message.slice(8),
      };
    case 58:
      return { transport: { protocol, type: view.getUint8(0), code: view.getUint8(1), checksumValid }, payload: message.slice(8) };
    default:
      return { payload: message };
  }
}
