/** Longest name in presentation form with its final dot (RFC 1035 has 255 octets on the wire). */
const MAX_LENGTH = 255;
const NAME = /^(?:[-a-z0-9_]{1,63}\.)+$/;

/** ASCII only: `toLowerCase` turns some letters of other scripts into ASCII ones, and so one name into another. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * The name in lower case with its final dot, or `undefined` for what no selector can ever choose: names with escapes
 * (`a\.b`), empty labels, characters besides letters, digits, `-` and `_`, labels of more than 63 or names of more
 * than 255 characters. The empty text and `.` are the root.
 */
export function canonicalFqdn(text: string): string | undefined {
  if (text === '' || text === '.') return '.';
  // Before anything that costs: an answer may hold names of any length.
  if (text.length > MAX_LENGTH) return undefined;
  const name = lowerAscii(text.endsWith('.') ? text : `${text}.`);
  return name.length <= MAX_LENGTH && NAME.test(name) ? name : undefined;
}
