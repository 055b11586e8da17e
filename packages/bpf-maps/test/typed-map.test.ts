import { parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BpfMapsError, ip16, memoryMap, struct, typedMap, u32 } from '../src/index.ts';
import type { MemoryMapType } from '../src/index.ts';

const pair = struct<{ a: number; b: number }>({ a: [u32, 0], b: [u32, 8] }, 16);
const make = (maxEntries = 8192) => typedMap(memoryMap({ type: 'hash', keySize: 4, valueSize: 16, maxEntries }), { key: u32, value: pair });

describe('typedMap', () => {
  it('is a map of values', () => {
    using map = make();
    expect(map.lookup(1)).toBeUndefined();
    map.update(1, { a: 1, b: 2 });
    map.update(1, { a: 3, b: 4 }, 'exist');
    expect(map.lookup(1)).toEqual({ a: 3, b: 4 });
    expect([...map.entries()]).toEqual([[1, { a: 3, b: 4 }]]);
    expect([...map.keys()]).toEqual([1]);
    expect(() => map.update(1, { a: 0, b: 0 }, 'noexist')).toThrow(BpfMapsError);
    expect(map.delete(1)).toBe(true);
    expect(map.delete(1)).toBe(false);
    expect(map.maxEntries).toBe(8192);
  });

  it('does batches of any number, a few calls in all', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 2047, 2048, 2049, 5000), (count) => {
        const map = make();
        let calls = 0;
        const { updateBatch } = map.raw;
        map.raw.updateBatch = (...args) => { calls++; updateBatch.apply(map.raw, args); };
        map.updateBatch(Array.from({ length: count }, (_, i) => [i, { a: i, b: i + 1 }] as const));
        expect(calls).toBe(Math.ceil(count / 2048));
        expect([...map.entries()]).toHaveLength(count);
        if (count > 0) expect(map.lookup(count - 1)).toEqual({ a: count - 1, b: count });
        expect(map.deleteBatch(Array.from({ length: count + 10 }, (_, i) => i + 5))).toBe(Math.max(0, count - 5));
        expect(map.clear()).toBe(Math.min(count, 5));
        expect([...map.keys()]).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  it('writes nothing when a value does not fit', () => {
    const map = make();
    expect(() => map.update(1, { a: -1, b: 0 })).toThrow(/^a: expected an integer/);
    expect(() => map.updateBatch([[1, { a: 1, b: 1 }], [2, { a: 1, b: 2 ** 32 }]])).toThrow(/^b: expected/);
    expect([...map.keys()]).toEqual([]);
  });

  it('refuses codecs of other sizes', () => {
    const raw = memoryMap({ type: 'hash', keySize: 4, valueSize: 16, maxEntries: 1 });
    expect(() => typedMap(raw, { key: ip16, value: pair })).toThrow(/key: the codec has 16 bytes, the map 4/);
    expect(() => typedMap(raw, { key: u32, value: u32 })).toThrow(/value: the codec has 4 bytes, the map 16/);
  });

  it('closes what it owns', () => {
    const map = make();
    map[Symbol.dispose]();
    expect(() => map.lookup(1)).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }) as Error);
  });

  it('looks addresses up', () => {
    const map = typedMap(memoryMap({ type: 'hash', keySize: 16, valueSize: 4, maxEntries: 4 }), { key: ip16, value: u32 });
    map.update(parseIp('10.0.0.1')!, 7);
    expect([...map.entries()].map(([ip, value]) => `${ip.text} ${value}`)).toEqual(['10.0.0.1 7']);
  });
});

describe('memoryMap', () => {
  it.each([
    [{ keySize: 0 }, /keySize/],
    [{ valueSize: 0 }, /valueSize/],
    [{ maxEntries: 1.5 }, /maxEntries/],
    [{ type: 'array', keySize: 8 }, /index of 4 bytes/],
    [{ type: 'lpm_trie', keySize: 4 }, /prefix length of 4 bytes/],
    [{ type: 'queue' as MemoryMapType }, /no twin of a map of type "queue"/],
  ] as const)('refuses %j', (wrong, message) => {
    expect(() => memoryMap({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4, ...wrong })).toThrow(message);
  });

  it('evicts what was written longest ago', () => {
    const map = typedMap(memoryMap({ type: 'lru_hash', keySize: 4, valueSize: 4, maxEntries: 2 }), { key: u32, value: u32 });
    for (const key of [1, 2, 1, 3]) map.update(key, key);
    expect([...map.keys()]).toEqual([1, 3]);
  });

  it('refuses unknown flags', () => {
    const raw = memoryMap({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 });
    expect(() => raw.update(new Uint8Array(4), new Uint8Array(4), 'create' as 'any')).toThrow(TypeError);
    expect(() => raw.lookup([1, 2, 3, 4] as unknown as Uint8Array)).toThrow(TypeError);
  });
});
