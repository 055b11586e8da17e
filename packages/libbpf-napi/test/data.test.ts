import { describe, expect, test } from 'vitest';
import { Btf, joinPerCpu, LibbpfError, mapTypes, programTypes, readSkbContext, RingBatch, skbContext, splitPerCpu } from '../src/index.ts';
import { HELPERS, helperSince } from '../src/helper-names.ts';
import { mapTypeName, mapTypeNumber, mapTypeSince } from '../src/map-type.ts';
import { programTypeName, programTypeNumber } from '../src/program-type.ts';
import { joinBatches } from '../src/ring-batch.ts';
import { compile } from './compile.ts';

describe('names and numbers', () => {
  test('agree in both directions', () => {
    for (const name of mapTypes) expect(mapTypeName(mapTypeNumber(name))).toBe(name);
    for (const name of programTypes) expect(programTypeName(programTypeNumber(name))).toBe(name);
    // numbers from linux/bpf.h
    expect([mapTypeNumber('lpm_trie'), mapTypeNumber('ringbuf'), programTypeNumber('sched_cls'), programTypeNumber('syscall')]).toEqual([11, 27, 3, 31]);
    expect([mapTypeName(999), programTypeName(999), mapTypeNumber('type_77')]).toEqual(['type_999', 'type_999', 77]);
    expect(mapTypeSince('ringbuf')).toBe('5.8');
    expect(() => mapTypeNumber('unspec')).toThrow(TypeError);
  });

  test('helpers', () => {
    expect([HELPERS.indexOf('map_lookup_elem'), HELPERS.indexOf('redirect_peer'), HELPERS.indexOf('cgrp_storage_delete')]).toEqual([1, 155, 211]);
    expect([helperSince('map_lookup_elem'), helperSince('redirect_peer'), helperSince('ringbuf_output'), helperSince('cgrp_storage_get')]).toEqual(['3.19', '5.10', '5.8', '6.2']);
  });
});

describe('buffers', () => {
  test('a context for test runs', () => {
    const fields = { mark: 1, priority: 2, ingressIfindex: 3, ifindex: 4, cb: [5, 6, 7, 8, 9], tstamp: 10n, wireLength: 11, gsoSegments: 12, gsoSize: 13, hwtstamp: 14n };
    expect(readSkbContext(skbContext(fields))).toEqual(fields);
    expect(() => skbContext({ mark: -1 })).toThrow('mark: -1 is outside');
    expect(() => skbContext({ cb: [1, 2, 3, 4, 5, 6] })).toThrow('cb');
    expect(() => skbContext({}, new Uint8Array(100))).toThrow('into');
    expect(() => readSkbContext(new Uint8Array(100))).toThrow('ctx');
  });

  test('per-CPU values', () => {
    const joined = joinPerCpu([Uint8Array.of(1, 2, 3, 4, 5), Uint8Array.of(6, 7, 8, 9, 10)], 5);
    expect(joined).toHaveLength(16);
    expect(splitPerCpu(joined, 5).map((v) => [...v])).toEqual([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]);
  });

  test('batches join', () => {
    const one = new RingBatch(Uint8Array.of(1, 2, 3, 0, 0, 0, 0, 0), Uint32Array.of(0, 3), 4);
    const two = new RingBatch(Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0), Uint32Array.of(0, 1, 8, 2), 1);
    const both = joinBatches([one, two]);
    expect([...both].map((r) => [...r])).toEqual([[1, 2, 3], [9], [8, 7]]);
    expect(both.lost).toBe(5);
    expect(joinBatches([])).toMatchObject({ count: 0, lost: 0 });
  });
});

describe('type information', () => {
  const btf = Btf.fromObject(compile('maps'));

  test('of structs, arrays, integers and variables', () => {
    const value = btf.find('value', 'struct');
    expect(value).toMatchObject({ kind: 'struct', size: 16, members: [{ name: 'packets', offsetBits: 0 }, { name: 'mark', offsetBits: 64 }, { name: 'bytes', offsetBits: 96 }] });
    if (value?.kind !== 'struct') throw new Error('unreachable');
    expect(btf.resolve(value.members[0]?.typeId ?? 0)).toMatchObject({ kind: 'int', size: 8, signed: false });
    expect(btf.resolve(value.members[2]?.typeId ?? 0)).toMatchObject({ kind: 'array', length: 4 });
    expect(btf.sizeOf(value.id)).toBe(16);
    expect(btf.find('count', 'function')).toMatchObject({ linkage: 'global' });
    expect(btf.find('.rodata', 'datasec')).toMatchObject({ kind: 'datasec' });
    expect(() => btf.sizeOf(0)).toThrow(TypeError);
    expect(() => btf.type(1e6)).toThrow(RangeError);
  });

  test('of maps', () => {
    expect(btf.mapDefinitions().map((d) => d.name).sort()).toEqual(['cells', 'counters', 'prefixes', 'table']);
    const prefixes = btf.mapDefinition('prefixes');
    expect(prefixes).toMatchObject({ keySize: 8, valueSize: 4, numbers: { type: 11, max_entries: 1000, map_flags: 1 } });
    expect(btf.type(prefixes.keyTypeId ?? 0)).toMatchObject({ kind: 'struct', name: 'lpm_key' });
    expect(() => btf.mapDefinition('nope')).toThrow(/it has .*table/);
  });

  test('that is damaged is refused', () => {
    expect(() => Btf.parse(new Uint8Array(3))).toThrow(LibbpfError);
    expect(() => Btf.parse(new Uint8Array(64))).toThrow(expect.objectContaining({ code: 'BTF_INVALID' }));
    const header = new Uint8Array(24);
    header.set([0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0]);
    expect(() => Btf.parse(header)).toThrow(/beyond its end/);
    const cut = new Uint8Array(37);
    cut.set([0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31]);
    expect(() => Btf.parse(cut)).toThrow(/unknown kind 31/);
  });
});
