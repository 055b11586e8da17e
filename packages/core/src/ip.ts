import { compareBytes, equalBytes } from './bytes.ts';
import { formatIpv4, parseIpv4Bytes } from './ipv4.ts';
import { formatIpv6, isIpv4Mapped, parseIpv6Bytes } from './ipv6.ts';

/** An IPv4 or IPv6 address without zone. Values are immutable: nobody writes to `bytes`. */
export interface IpAddress {
  readonly family: 4 | 6;
  /** Canonical: dotted decimal or RFC 5952; equal addresses have equal texts, so it serves as a map key. */
  readonly text: string;
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array;
}

const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/**
 * The address that `text` names, or `undefined`. Strict: no leading zeros in IPv4 numbers, no zone, no brackets, no
 * surrounding space. IPv4-mapped IPv6 text (::ffff:0:0/96) is refused too: no packet that counts carries such an
 * address, and in the maps that range stands for IPv4, so that accepting it would let one address have two names.
 */
export function parseIp(text: string): IpAddress | undefined {
  const ipv4 = parseIpv4Bytes(text);
  if (ipv4 !== undefined) return { family: 4, text, bytes: ipv4 };
  const bytes = parseIpv6Bytes(text);
  if (bytes === undefined || isIpv4Mapped(bytes)) return undefined;
  return { family: 6, text: formatIpv6(bytes), bytes };
}

/**
 * The address of 4 or 16 bytes in network order (copied). Sixteen bytes always make an IPv6 address, the mapped range
 * included, since this must be able to name whatever a packet carried. Throws RangeError for other lengths.
 */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return { family: 4, text: formatIpv4(bytes), bytes: bytes.slice() };
  if (bytes.length === 16) return { family: 6, text: formatIpv6(bytes), bytes: bytes.slice() };
  throw new RangeError(`bytes: an address has 4 or 16 bytes, got ${bytes.length}`);
}

/**
 * The 16-byte form of every address in the datapath's maps: IPv6 as it is, IPv4 a.b.c.d as ::ffff:a.b.c.d.
 * Throws RangeError for an IPv6 address of that range, which would pass for an IPv4 one.
 */
export function ipToKey16(ip: IpAddress): Uint8Array {
  const key = new Uint8Array(16);
  if (ip.family === 4) {
    key.set(MAPPED_PREFIX);
    key.set(ip.bytes, 12);
    return key;
  }
  if (isIpv4Mapped(ip.bytes)) {
    throw new RangeError(`ip: ${ip.text} is an IPv4 address written as IPv6; the maps cannot tell them apart`);
  }
  key.set(ip.bytes);
  return key;
}

/** The address of a 16-byte map key; the inverse of {@link ipToKey16}. Throws RangeError unless given 16 bytes. */
export function ipFromKey16(key: Uint8Array): IpAddress {
  if (key.length !== 16) throw new RangeError(`key: expected 16 bytes, got ${key.length}`);
  return ipFromBytes(isIpv4Mapped(key) ? key.subarray(12) : key);
}

/** Whether both are the same address of the same family. */
export function equalIp(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && equalBytes(a.bytes, b.bytes);
}

/** IPv4 before IPv6, then numeric order. Negative, zero or positive. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  return a.family - b.family || compareBytes(a.bytes, b.bytes);
}
