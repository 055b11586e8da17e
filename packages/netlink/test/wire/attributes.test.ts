import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PayloadWriter, readAttributes, readNested, readS32, readString, readU32 } from '../../src/wire/attributes.ts';

describe('attributes', () => {
  it('come back as they were written, padded to four bytes', () => {
    const payload = new PayloadWriter(Buffer.from([1, 2, 3, 4]))
      .string(3, 'eth0')
      .u32(4, 0xfffffffe)
      .u8(16, 6)
      .nest(18, (info) => info.string(1, 'veth').nest(2, (data) => data.raw(Buffer.alloc(16)).u32(28, 9)))
      .bytes(1, Uint8Array.of(1, 2, 3, 4, 5, 6))
      .finish();
    expect(payload.length % 4).toBe(0);
    const attributes = readAttributes(payload.subarray(4));
    expect(readString(attributes, 3)).toBe('eth0');
    expect(readU32(attributes, 4)).toBe(0xfffffffe);
    expect(readS32(attributes, 4)).toBe(-2);
    expect(attributes.get(16)).toEqual(Buffer.from([6]));
    const info = readNested(attributes, 18);
    expect(readString(info, 1)).toBe('veth');
    expect(readU32(readAttributes(info.get(2)!.subarray(16)), 28)).toBe(9);
    expect([...attributes.get(1)!]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(readNested(attributes, 99).size).toBe(0);
    expect(readU32(attributes, 16)).toBeUndefined();
  });

  it('of any content survive the round trip, however long', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 2000 })), { selector: ([type]) => type, maxLength: 20 }), (list) => {
        const writer = new PayloadWriter(Buffer.alloc(12));
        for (const [type, value] of list) writer.bytes(type, value);
        const read = readAttributes(writer.finish().subarray(12));
        expect([...read].map(([type, value]) => [type, [...value]])).toEqual(list.map(([type, value]) => [type, [...value]]));
      }),
    );
  });

  it('are read from any bytes without reading past the end', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const value of readAttributes(Buffer.from(bytes)).values()) expect(value.length).toBeLessThanOrEqual(bytes.length - 4);
    }));
  });
});
