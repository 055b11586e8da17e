import { maskBits, sameBits } from './bytes.ts';
import type { IpAddress } from './ip.ts';
import { compareIp, ipFromBytes, parseIp } from './ip.ts';

/** A prefix of addresses. Immutable. */
export interface Cidr {
  readonly family: 4 | 6;
  /** The first address: every bit after the prefix is zero. */
  readonly address: IpAddress;
  /** 0–32 or 0–128. */
  readonly prefixLength: number;
  /** Canonical `address/length`, also for single addresses; serves as a map key. */
  readonly text: string;
}

/** 32 or 128. */
export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The prefix of that length around `ip`; host bits are masked. Throws RangeError for an impossible length. */
export function cidrOf(ip: IpAddress, prefixLength: number): Cidr {
  const bits = addressBits(ip.family);
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > bits) {
    throw new RangeError(`prefixLength: expected an integer 0–${bits} for IPv${ip.family}, got ${prefixLength}`);
  }
  const address = prefixLength === bits ? ip : ipFromBytes(maskBits(ip.bytes, prefixLength));
  return { family: ip.family, address, prefixLength, text: `${address.text}/${prefixLength}` };
}

/**
 * The prefix that `text` names, or `undefined`. A bare address is a /32 or /128; host bits that are set are masked.
 * The address part is as strict as {@link parseIp}; the length is decimal without sign or leading zeros.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined) return undefined;
  if (slash < 0) return hostCidr(ip);
  const length = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > addressBits(ip.family)) return undefined;
  return cidrOf(ip, Number(length));
}

/** The prefix that holds just this address. */
export function hostCidr(ip: IpAddress): Cidr {
  return cidrOf(ip, addressBits(ip.family));
}

/** Whether every address of `inner` lies in `outer`. Families never contain one another. */
export function cidrContains(outer: Cidr, inner: Cidr | IpAddress): boolean {
  if (outer.family !== inner.family) return false;
  if (!('prefixLength' in inner)) return sameBits(outer.address.bytes, inner.bytes, outer.prefixLength);
  if (inner.prefixLength < outer.prefixLength) return false;
  return sameBits(outer.address.bytes, inner.address.bytes, outer.prefixLength);
}

/** IPv4 before IPv6, then by first address, then the shorter prefix. Negative, zero or positive. */
export function compareCidr(a: Cidr, b: Cidr): number {
  return compareIp(a.address, b.address) || a.prefixLength - b.prefixLength;
}

/** How many addresses the prefix has. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(addressBits(cidr.family) - cidr.prefixLength);
}

/** The `index`-th address of the prefix, counted from 0. Throws RangeError outside of it. */
export function cidrAddress(cidr: Cidr, index: bigint | number): IpAddress {
  let rest = BigInt(index);
  if (rest < 0n || rest >= cidrSize(cidr)) throw new RangeError(`index: ${cidr.text} has no address number ${rest}`);
  const bytes = cidr.address.bytes.slice();
  for (let i = bytes.length - 1; rest > 0n; i--) {
    rest += BigInt(bytes[i]!);
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return ipFromBytes(bytes);
}
