import { formatIpv4, parseIpv4Bytes } from './ipv4.ts';

const GROUP = /^[0-9a-fA-F]{1,4}$/;

/** The 16-bit groups of one side of a `::`; the last may be an IPv4 tail, worth two groups, where `tail` allows it. */
function parseGroups(text: string, tail: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const ipv4 = tail && index === parts.length - 1 ? parseIpv4Bytes(part) : undefined;
    if (ipv4 === undefined) return undefined;
    groups.push((ipv4[0]! << 8) | ipv4[1]!, (ipv4[2]! << 8) | ipv4[3]!);
  }
  return groups;
}

/**
 * The sixteen bytes of RFC 4291 text (all three forms of its section 2.2). Zone identifiers, brackets and a `::`
 * that stands for nothing are refused: `undefined`.
 */
export function parseIpv6Bytes(text: string): Uint8Array | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const end = halves.length === 1 ? [] : parseGroups(halves[1]!, true);
  if (head === undefined || end === undefined) return undefined;
  const given = head.length + end.length;
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined;
  const bytes = new Uint8Array(16);
  const put = (groups: readonly number[], first: number): void => {
    for (const [index, group] of groups.entries()) {
      bytes[2 * (first + index)] = group >> 8;
      bytes[2 * (first + index) + 1] = group & 0xff;
    }
  };
  put(head, 0);
  put(end, 8 - end.length);
  return bytes;
}

/** Whether the sixteen bytes lie in ::ffff:0:0/96, where IPv4 addresses are written as IPv6. */
export function isIpv4Mapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** First and length of the longest run of two or more zero groups; the first of equals (RFC 5952, 4.2). */
function longestZeroRun(groups: readonly number[]): { first: number; length: number } {
  const best = { first: -1, length: 1 };
  let length = 0;
  for (let i = 0; i < groups.length; i++) {
    length = groups[i] === 0 ? length + 1 : 0;
    if (length > best.length) {
      best.first = i - length + 1;
      best.length = length;
    }
  }
  return best;
}

/** RFC 5952 canonical text of sixteen bytes; ::ffff:0:0/96 in its mixed form (section 5). */
export function formatIpv6(bytes: Uint8Array): string {
  if (isIpv4Mapped(bytes)) return `::ffff:${formatIpv4(bytes, 12)}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  const { first, length } = longestZeroRun(groups);
  if (first < 0) return hex(groups);
  return `${hex(groups.slice(0, first))}::${hex(groups.slice(first + length))}`;
}
