import { isIP, isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareIp, equalIp, ipFromBytes, ipFromKey16, ipToKey16, parseIp } from '../src/index.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Sixteen bytes with many zero groups, where the rules of compression differ. */
const sparse = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0x0a0b, 0xffff, 0x0100), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));
/** Text close to an address, so that both outcomes occur. */
const nearly = fc
  .array(fc.constantFrom('0', '1', '9', '25', '255', '256', '00', 'f', 'FFFF', 'fffff', ':', '::', '.', '%eth0', ' '), {
    minLength: 1,
    maxLength: 18,
  })
  .map((parts) => parts.join(''));
const shaped = fc
  .array(fc.constantFrom('0', '1', 'ab', 'FFFF', '0db8', '', 'g', '1.2.3.4', '01.2.3.4'), { minLength: 2, maxLength: 9 })
  .map((parts) => parts.join(':'));
const dotted = fc.array(fc.constantFrom('0', '1', '00', '01', '10', '255', '256', '', '-1', '1e1'), { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'));

function accepts(text: string): boolean {
  if (text.includes('%')) return false;
  if (isIPv4(text)) return true;
  return isIPv6(text) && !/^\[::ffff:[^:]+:[^:]+\]$/.test(new URL(`http://[${text}]`).hostname);
}

/** The canonical text by another implementation: WHATWG URL serialises hosts by the RFC 5952 rules, mixed form aside. */
function canonical(text: string): string {
  return isIP(text) === 6 ? new URL(`http://[${text}]`).hostname.slice(1, -1) : new URL(`http://${text}`).hostname;
}

describe('parseIp', () => {
  it.each([nearly, shaped, dotted, fc.string({ maxLength: 20 }), fc.ipV4(), fc.ipV6()])('accepts exactly what net.isIP accepts, less zones and mapped addresses (%#)', (texts) => {
    fc.assert(
      fc.property(texts, (text) => {
        const ip = parseIp(text);
        expect(ip !== undefined, text).toBe(accepts(text));
        if (ip !== undefined) {
          expect(ip.text).toBe(canonical(text));
          expect(ip.family).toBe(isIP(text));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each(['fe80::1%eth0', 'fe80::1%', '[::1]', '1.2.3.4 ', '01.2.3.4', '1.2.3', '0x1.2.3.4', '1', '', ':', '1::2::3', '1:2:3:4::5:6:7:8', '::ffff:1.2.3.4', '::ffff:102:304', '1.2.3.4::', '::1.2.3.04'])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it.each([
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['fe80:0:0:0:0:0:0:0', 'fe80::'],
  ])('writes %s as %s', (text, expected) => {
    expect(parseIp(text)?.text).toBe(expected);
  });
});

describe('bytes and keys', () => {
  it('round-trips bytes through text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes(4), bytes(16), sparse), (raw) => {
        const ip = ipFromBytes(raw);
        const again = parseIp(ip.text);
        if (ip.text.startsWith('::ffff:') && ip.text.includes('.')) expect(again).toBeUndefined();
        else expect(again).toEqual(ip);
        if (ip.family === 6 && again !== undefined) expect(ip.text).toBe(canonical(ip.text));
      }),
      { numRuns: 2000 },
    );
  });

  it('round-trips through the 16-byte key, the two families apart', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const ip = parseIp(text);
        fc.pre(ip !== undefined);
        const key = ipToKey16(ip!);
        expect(key).toHaveLength(16);
        expect(ipFromKey16(key)).toEqual(ip);
        expect([...key.subarray(0, 12)].join() === '0,0,0,0,0,0,0,0,0,0,255,255').toBe(ip!.family === 4);
      }),
    );
  });

  it('never lets an IPv6 address pass for an IPv4 one', () => {
    const mapped = ipFromBytes(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1));
    expect(mapped).toMatchObject({ family: 6, text: '::ffff:10.0.0.1' });
    expect(() => ipToKey16(mapped)).toThrow(RangeError);
  });

  it('refuses other lengths', () => {
    expect(() => ipFromBytes(new Uint8Array(5))).toThrow(/4 or 16 bytes, got 5/);
    expect(() => ipFromKey16(new Uint8Array(4))).toThrow(/16 bytes, got 4/);
  });

  it('copies what it is given', () => {
    const raw = Uint8Array.of(1, 2, 3, 4);
    const ip = ipFromBytes(raw);
    raw[0] = 9;
    expect(ip.bytes[0]).toBe(1);
  });

  it('orders IPv4 first, then by number', () => {
    const sorted = ['::1', '10.0.0.2', '9.255.255.255', '10.0.0.10', '::'].map((text) => parseIp(text)!).sort(compareIp);
    expect(sorted.map((ip) => ip.text)).toEqual(['9.255.255.255', '10.0.0.2', '10.0.0.10', '::', '::1']);
    expect(equalIp(parseIp('::1')!, parseIp('0::1')!)).toBe(true);
    expect(equalIp(parseIp('0.0.0.1')!, parseIp('::1')!)).toBe(false);
  });
});
