/**
 * The four bytes of strict dotted-decimal text: exactly four numbers 0–255 without leading zeros, which some
 * parsers read as octal. `undefined` for anything else.
 */
export function parseIpv4Bytes(text: string): Uint8Array | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  const bytes = new Uint8Array(4);
  let octet = 0;
  let digits = 0;
  let index = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (digits === 0 || index > 3) return undefined;
      bytes[index++] = octet;
      octet = 0;
      digits = 0;
      continue;
    }
    if (code < 0x30 || code > 0x39 || (digits > 0 && octet === 0)) return undefined;
    octet = octet * 10 + code - 0x30;
    digits++;
    if (octet > 255) return undefined;
  }
  return index === 4 ? bytes : undefined;
}

/** Dotted decimal of the four bytes at `offset`. */
export function formatIpv4(bytes: Uint8Array, offset = 0): string {
  return `${bytes[offset]!}.${bytes[offset + 1]!}.${bytes[offset + 2]!}.${bytes[offset + 3]!}`;
}
