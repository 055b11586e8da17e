import { parseIp, parseMac } from '@cilium-ts/core';

/** Joins byte strings into one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A big-endian view on all bytes of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The bytes of an IP address written as text.
 * @throws TypeError when the text is no address, or one of the wrong family
 */
export function ipBytes(text: string, family: 4 | 6): Uint8Array {
  const ip = parseIp(text);
  if (ip?.family !== family) throw new TypeError(`address: '${text}' is no IPv${family} address`);
  return ip.bytes;
}

/**
 * The six bytes of a MAC address written as text.
 * @throws TypeError when the text is no MAC address
 */
export function macBytes(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw new TypeError(`address: '${text}' is no MAC address`);
  return mac.bytes;
}

/** Text as UTF-8, a number as that many filler bytes (a counting pattern), bytes as they are. */
export function payloadBytes(data: string | number | Uint8Array): Uint8Array {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  if (typeof data === 'number') return Uint8Array.from({ length: data }, (_, index) => index & 0xff);
  return data;
}
