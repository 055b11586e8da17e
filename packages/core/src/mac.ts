import { toHex } from './bytes.ts';

/** A 48-bit Ethernet address. Immutable: nobody writes to `bytes`. */
export interface MacAddress {
  /** Canonical: six lower-case hexadecimal pairs, separated by colons. */
  readonly text: string;
  /** 6 bytes as they appear on the wire. */
  readonly bytes: Uint8Array;
}

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

/** The address that `text` (six hexadecimal pairs with colons, either case) names, or `undefined`. */
export function parseMac(text: string): MacAddress | undefined {
  if (!MAC.test(text)) return undefined;
  return macFromBytes(Uint8Array.from(text.split(':'), (pair) => Number.parseInt(pair, 16)));
}

/** The address of six bytes (copied). Throws RangeError for another length. */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  if (bytes.length !== 6) throw new RangeError(`bytes: a MAC address has 6 bytes, got ${bytes.length}`);
  return { text: toHex(bytes, ':'), bytes: bytes.slice() };
}
