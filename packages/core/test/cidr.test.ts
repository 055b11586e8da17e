import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cidr } from '../src/index.ts';
import { cidrAddress, cidrContains, cidrOf, cidrSize, compareCidr, hostCidr, ipFromBytes, parseCidr, parseIp } from '../src/index.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
};
/** Addresses from so small a range that prefixes often contain each other. */
const near4 = fc.tuple(fc.constantFrom(10, 11), fc.constantFrom(0, 128), fc.constant(0), fc.integer({ min: 0, max: 3 })).map((octets) => octets.join('.'));
const near6 = fc.tuple(fc.constantFrom('fd00', 'fd01'), fc.constantFrom('0', '8000'), fc.constantFrom('1', '2', 'ffff')).map(([a, b, c]) => `${a}:${b}::${c}`);
const prefix4 = fc.tuple(near4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => `${address}/${length}`);
const prefix6 = fc.tuple(near6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => `${address}/${length}`);

describe('parseCidr', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['10.1.2.3/31', '10.1.2.2/31'],
    ['2001:DB8::FFFF/33', '2001:db8::/33'],
    ['::1', '::1/128'],
    ['fe80::1/0', '::/0'],
  ])('reads %s as %s', (text, expected) => {
    expect(cidr(text).text).toBe(expected);
    expect(cidr(cidr(text).text)).toEqual(cidr(text));
  });

  it.each(['', '/8', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/08', '10.0.0.0/+8', '10.0.0.0/8/8', '10.0.0.0/ 8', '10.0.0/8', '::ffff:10.0.0.0/104', 'fe80::%1/64', '10.0.0.0/-1', '10.0.0.0/1e1'])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('cidrContains', () => {
  it.each([
    ['ipv4', prefix4, near4],
    ['ipv6', prefix6, near6],
  ] as const)('agrees with net.BlockList on addresses (%s)', (family, prefixes, addresses) => {
    fc.assert(
      fc.property(prefixes, addresses, (outer, inner) => {
        const list = new BlockList();
        const [address, length] = outer.split('/') as [string, string];
        list.addSubnet(address, Number(length), family);
        expect(cidrContains(cidr(outer), parseIp(inner)!)).toBe(list.check(inner, family));
      }),
      { numRuns: 500 },
    );
  });

  it('contains a prefix exactly when it contains its first and last address', () => {
    fc.assert(
      fc.property(fc.oneof(prefix4, prefix6), fc.oneof(prefix4, prefix6), (a, b) => {
        const outer = cidr(a);
        const inner = cidr(b);
        const last = cidrAddress(inner, cidrSize(inner) - 1n);
        expect(cidrContains(outer, inner)).toBe(cidrContains(outer, inner.address) && cidrContains(outer, last));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps the families apart', () => {
    expect(cidrContains(cidr('::/0'), parseIp('10.0.0.1')!)).toBe(false);
    expect(cidrContains(cidr('0.0.0.0/0'), cidr('::/0'))).toBe(false);
  });
});

describe('addresses of a prefix', () => {
  it('counts and numbers them', () => {
    expect(cidrSize(cidr('10.0.0.0/30'))).toBe(4n);
    expect(cidrSize(cidr('::/0'))).toBe(2n ** 128n);
    expect(cidrAddress(cidr('10.0.0.0/8'), 65536).text).toBe('10.1.0.0');
    expect(cidrAddress(cidr('fd00::/64'), 2n ** 64n - 1n).text).toBe('fd00::ffff:ffff:ffff:ffff');
    expect(cidrAddress(hostCidr(parseIp('1.2.3.4')!), 0).text).toBe('1.2.3.4');
  });

  it('refuses what lies outside', () => {
    expect(() => cidrAddress(cidr('10.0.0.0/30'), 4)).toThrow(RangeError);
    expect(() => cidrAddress(cidr('10.0.0.0/30'), -1)).toThrow(RangeError);
    expect(() => cidrOf(parseIp('10.0.0.1')!, 33)).toThrow(/0–32/);
    expect(() => cidrOf(ipFromBytes(new Uint8Array(16)), 1.5)).toThrow(RangeError);
  });

  it('orders by family, address, then length', () => {
    const sorted = ['10.0.0.0/16', '::/0', '9.0.0.0/8', '10.0.0.0/8'].map(cidr).sort(compareCidr);
    expect(sorted.map((prefix) => prefix.text)).toEqual(['9.0.0.0/8', '10.0.0.0/8', '10.0.0.0/16', '::/0']);
  });
});
