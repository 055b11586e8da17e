import type { Cidr, IpAddress, MacAddress } from '@cilium-ts/core';
import { cidrOf, ipFromKey16, ipToKey16, macFromBytes } from '@cilium-ts/core';
import type { Codec } from './codec.ts';
import { u8, u32 } from './integer-codec.ts';
import { mapped } from './struct-codec.ts';

/** `count` bytes as they are; decoding copies. */
export function bytes(count: number): Codec<Uint8Array> {
  return {
    size: count,
    encode(value, into, offset) {
      if (value.length !== count) throw new RangeError(`value: expected ${count} bytes, got ${value.length}`);
      new Uint8Array(into.buffer, into.byteOffset + offset, count).set(value);
    },
    decode: (from, offset) => new Uint8Array(from.buffer, from.byteOffset + offset, count).slice(),
  };
}

/** A C string in `count` bytes, its terminating zero included; UTF-8. Throws RangeError if it does not fit. */
export function cString(count: number): Codec<string> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return {
    size: count,
    encode(value, into, offset) {
      const text = encoder.encode(value);
      if (text.length >= count) throw new RangeError(`value: ${text.length} bytes do not fit into ${count - 1}`);
      if (text.includes(0)) throw new RangeError('value: contains a zero byte');
      const target = new Uint8Array(into.buffer, into.byteOffset + offset, count);
      target.fill(0).set(text);
    },
    decode(from, offset) {
      const source = new Uint8Array(from.buffer, from.byteOffset + offset, count);
      const end = source.indexOf(0);
      // Copied, since decoders of some platforms refuse views of shared memory.
      return decoder.decode(source.slice(0, end < 0 ? count : end));
    },
  };
}

/** One byte, zero or one; any other byte reads as true. */
export const bool8: Codec<boolean> = mapped(u8, { to: (value) => (value ? 1 : 0), from: (value) => value !== 0 });

/** An address in sixteen bytes, IPv4 as ::ffff:a.b.c.d. */
export const ip16: Codec<IpAddress> = mapped(bytes(16), { to: ipToKey16, from: ipFromKey16 });

/** Six bytes of Ethernet address. */
export const mac: Codec<MacAddress> = mapped(bytes(6), { to: (value) => value.bytes, from: macFromBytes });

/** The bits before an IPv4 address in its 16-byte form. */
const MAPPED_BITS = 96;

/**
 * The key of an LPM trie over 16-byte addresses: the length as `__u32`, IPv4 counted from the start of the sixteen
 * bytes (96 + length), then the address. An IPv6 prefix shorter than 96 bits that contains ::ffff:0:0/96 also covers
 * every IPv4 address there; put 0.0.0.0/0 beside it.
 */
export const cidr16: Codec<Cidr> = {
  size: 20,
  encode(value, into, offset) {
    u32.encode(value.prefixLength + (value.family === 4 ? MAPPED_BITS : 0), into, offset);
    ip16.encode(value.address, into, offset + 4);
  },
  decode(from, offset) {
    const length = u32.decode(from, offset);
    const address = ip16.decode(from, offset + 4);
    return cidrOf(address, address.family === 4 ? length - MAPPED_BITS : length);
  },
};
