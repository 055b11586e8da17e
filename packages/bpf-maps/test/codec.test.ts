import { cidrContains, parseCidr, parseIp, parseMac } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../src/index.ts';
import { array, be16, be32, be64, bool8, bytes, cString, cidr16, decodeBytes, encodeBytes, ip16, mac, mapped, memoryMap, perCpu, s16, s32, s64, s8, struct, u16, u32, u64, u64Number, u8 } from '../src/index.ts';

describe('integers', () => {
  const cases: [string, Codec<number>, number, number, (buffer: Buffer) => number][] = [
    ['u8', u8, 0, 255, (b) => b.readUInt8()],
    ['u16', u16, 0, 65_535, (b) => b.readUInt16LE()],
    ['u32', u32, 0, 4_294_967_295, (b) => b.readUInt32LE()],
    ['s8', s8, -128, 127, (b) => b.readInt8()],
    ['s16', s16, -32_768, 32_767, (b) => b.readInt16LE()],
    ['s32', s32, -2_147_483_648, 2_147_483_647, (b) => b.readInt32LE()],
    ['be16', be16, 0, 65_535, (b) => b.readUInt16BE()],
    ['be32', be32, 0, 4_294_967_295, (b) => b.readUInt32BE()],
    ['u64Number', u64Number, 0, Number.MAX_SAFE_INTEGER, (b) => Number(b.readBigUInt64LE())],
  ];

  it.each(cases)('%s is what Buffer reads', (...[, codec, min, max, read]) => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0)), (value) => {
        const encoded = encodeBytes(codec, value);
        expect(read(Buffer.from(encoded))).toBe(value);
        expect(decodeBytes(codec, encoded)).toBe(value);
      }),
    );
    for (const wrong of [min - 1, max + 1, 0.5, Number.NaN, undefined as unknown as number]) expect(() => encodeBytes(codec, wrong), String(wrong)).toThrow(RangeError);
  });

  it.each([
    ['u64', u64, 0n, 2n ** 64n - 1n, (b: Buffer) => b.readBigUInt64LE()],
    ['s64', s64, -(2n ** 63n), 2n ** 63n - 1n, (b: Buffer) => b.readBigInt64LE()],
    ['be64', be64, 0n, 2n ** 64n - 1n, (b: Buffer) => b.readBigUInt64BE()],
  ] as const)('%s is what Buffer reads', (...[, codec, min, max, read]) => {
    fc.assert(
      fc.property(fc.bigInt({ min, max }), (value) => {
        expect(read(Buffer.from(encodeBytes(codec, value)))).toBe(value);
        expect(decodeBytes(codec, encodeBytes(codec, value))).toBe(value);
      }),
    );
    for (const wrong of [min - 1n, max + 1n, 1 as unknown as bigint]) expect(() => encodeBytes(codec, wrong)).toThrow(RangeError);
  });

  it('says so when a counter is too large for a number', () => {
    expect(() => decodeBytes(u64Number, encodeBytes(u64, 2n ** 53n))).toThrow(/beyond 2\^53/);
  });
});

describe('struct', () => {
  const point = struct<{ x: number; y: number; name: string }>({ x: [u8, 0], y: [u32, 4], name: [cString(4), 8] }, 16);

  it('lays fields out by offset and zeroes the padding', () => {
    const target = new Uint8Array(18).fill(0xff);
    point.encode({ x: 1, y: 2, name: 'ab' }, new DataView(target.buffer), 1);
    expect([...target]).toEqual([255, 1, 0, 0, 0, 2, 0, 0, 0, 97, 98, 0, 0, 0, 0, 0, 0, 255]);
    expect(point.decode(new DataView(target.buffer), 1)).toEqual({ x: 1, y: 2, name: 'ab' });
  });

  it('round-trips, nested and in arrays', () => {
    const codec = array(struct<{ at: { x: number; y: number; name: string }; flags: readonly boolean[] }>({ at: [point, 0], flags: [array(bool8, 3), 16] }, 20), 2, 24);
    expect(codec.size).toBe(48);
    const name = fc.constantFrom('', 'a', 'abc');
    const element = fc.record({ at: fc.record({ x: fc.nat(255), y: fc.nat(), name }), flags: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()) });
    fc.assert(
      fc.property(fc.tuple(element, element), (value) => {
        expect(decodeBytes(codec, encodeBytes(codec, value))).toEqual(value);
      }),
    );
  });

  it('names the field that does not fit', () => {
    const cells = struct<{ cells: readonly { x: number; y: number; name: string }[] }>({ cells: [array(point, 2), 0] }, 32);
    const good = { x: 1, y: 1, name: '' };
    expect(() => encodeBytes(cells, { cells: [good, { ...good, y: -1 }] })).toThrow(/^cells\.1\.y: expected an integer 0–4294967295, got -1$/);
    expect(() => encodeBytes(cells, { cells: [good] })).toThrow(/^cells: expected 2 elements, got 1$/);
    expect(() => encodeBytes(cells, { cells: [good, { ...good, name: 'abcd' }] })).toThrow(/^cells\.1\.name: 4 bytes do not fit into 3$/);
  });

  it('refuses an impossible layout', () => {
    expect(() => struct<{ a: number }>({ a: [u32, 2] }, 4)).toThrow(/fields\.a: bytes 2–5 do not lie within 4/);
    expect(() => struct<{ a: number; b: number }>({ a: [u32, 0], b: [u8, 3] }, 8)).toThrow(/fields\.b: overlaps/);
    expect(() => array(u32, 2, 3)).toThrow(RangeError);
    expect(() => array(u32, -1)).toThrow(RangeError);
  });
});

describe('values', () => {
  it('copies bytes', () => {
    const raw = Uint8Array.of(1, 2, 3);
    const decoded = decodeBytes(bytes(3), raw);
    raw[0] = 9;
    expect([...decoded]).toEqual([1, 2, 3]);
    expect(() => encodeBytes(bytes(3), Uint8Array.of(1))).toThrow(/expected 3 bytes, got 1/);
    expect(() => decodeBytes(bytes(4), raw)).toThrow(/at least 4, got 3/);
  });

  it('ends strings', () => {
    expect([...encodeBytes(cString(4), 'ä')]).toEqual([0xc3, 0xa4, 0, 0]);
    expect(decodeBytes(cString(4), Uint8Array.of(97, 0, 98, 0))).toBe('a');
    expect(decodeBytes(cString(2), Uint8Array.of(97, 98))).toBe('ab');
    expect(() => encodeBytes(cString(4), 'a\0b')).toThrow(/zero byte/);
  });

  it('holds addresses', () => {
    for (const text of ['10.0.0.1', '2001:db8::1', '::', '0.0.0.0']) expect(decodeBytes(ip16, encodeBytes(ip16, parseIp(text)!)).text).toBe(text);
    expect(decodeBytes(mac, encodeBytes(mac, parseMac('0a:00:00:00:00:01')!)).text).toBe('0a:00:00:00:00:01');
    expect(bool8.decode(new DataView(Uint8Array.of(7).buffer), 0)).toBe(true);
  });

  it('holds prefixes as an LPM trie compares them', () => {
    const prefix = fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, length]) => parseCidr(`${ip}/${length}`)),
      fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, length]) => parseCidr(`${ip}/${length}`)),
    );
    const trie = memoryMap({ type: 'lpm_trie', keySize: 20, valueSize: 4, maxEntries: 8 });
    fc.assert(
      fc.property(prefix, prefix, (outer, inner) => {
        fc.pre(outer !== undefined && inner !== undefined);
        expect(decodeBytes(cidr16, encodeBytes(cidr16, outer!))).toEqual(outer);
        trie.update(encodeBytes(cidr16, outer!), new Uint8Array(4));
        const crossesFamilies = outer!.family === 6 && inner!.family === 4;
        if (!crossesFamilies) expect(trie.lookup(encodeBytes(cidr16, inner!)) !== undefined).toBe(cidrContains(outer!, inner!));
        trie.delete(encodeBytes(cidr16, outer!));
      }),
    );
  });

  it('keeps CPUs apart by 8 bytes', () => {
    const codec = perCpu(u32, 3);
    expect(codec.size).toBe(24);
    expect(decodeBytes(codec, encodeBytes(codec, [1, 2, 3]))).toEqual([1, 2, 3]);
    expect(perCpu(bytes(12), 2).size).toBe(32);
  });

  it('stands for other types', () => {
    const port = mapped(be16, { to: (text: string) => Number(text), from: String });
    expect(decodeBytes(port, encodeBytes(port, '80'))).toBe('80');
  });
});
