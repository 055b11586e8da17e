import { describe, expect, test } from 'vitest';
import { createMap, innerMapId, innerMapIds, mapFlags, openInnerMap, openObject, putInnerMap, type BpfMap, type BpfObject } from '../src/index.ts';
import { compile } from './compile.ts';
import { toU32, u32 } from './sandbox.ts';

const array = (maxEntries = 4): BpfMap => createMap({ type: 'array', keySize: 4, valueSize: 4, maxEntries, flags: mapFlags.innerMap });
const hash = (): BpfMap => createMap({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 16 });
const load = (): BpfObject => {
  using template = hash();
  return openObject(compile('tables'), { maps: { undeclared: { inner: template } } }).loadSync();
};
const packet = new Uint8Array(64);

describe('maps of maps that belong to no object', () => {
  test('a hash: put, replace, look up, open, list, take out', () => {
    using outer = createMap({ type: 'hash_of_maps', name: 'outer', keySize: 4, valueSize: 4, maxEntries: 2, inner: { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 } });
    using first = hash();
    using second = hash();
    expect(innerMapId(outer, u32(1))).toBeUndefined();
    expect(openInnerMap(outer, u32(1))).toBeUndefined();
    putInnerMap(outer, u32(1), first);
    expect(innerMapId(outer, u32(1))).toBe(first.info.id);
    expect(() => putInnerMap(outer, u32(1), second, 'noexist')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    putInnerMap(outer, u32(1), second, 'exist');
    putInnerMap(outer, u32(2), first);
    expect(() => putInnerMap(outer, u32(3), first)).toThrow(expect.objectContaining({ code: 'E2BIG' }));
    expect(new Map([...innerMapIds(outer)].map(([key, id]) => [toU32(key), id]))).toEqual(new Map([[1, second.info.id], [2, first.info.id]]));
    second.update(u32(5), u32(55));
    using opened = openInnerMap(outer, u32(1));
    expect(toU32(opened?.lookup(u32(5)))).toBe(55);
    expect(outer.delete(u32(1))).toBe(true);
    expect(innerMapId(outer, u32(1))).toBeUndefined();
  });

  test('the outer map keeps the inner ones', () => {
    using outer = createMap({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 3, inner: { type: 'array', keySize: 4, valueSize: 4, maxEntries: 4, flags: mapFlags.innerMap } });
    const inner = array(100);
    inner.update(u32(99), u32(7));
    putInnerMap(outer, u32(0), inner);
    inner.close();
    using opened = openInnerMap(outer, u32(0));
    expect(opened?.maxEntries).toBe(100);
    expect(toU32(opened?.lookup(u32(99)))).toBe(7);
    expect(() => putInnerMap(outer, u32(3), opened!)).toThrow(expect.objectContaining({ code: 'E2BIG' }));
  });

  test('what cannot be is said', () => {
    const spec = { type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 2 } as const;
    expect(() => createMap(spec)).toThrow(/^spec.inner: a map of type hash_of_maps needs/);
    expect(() => createMap({ ...spec, valueSize: 8, inner: { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 } })).toThrow(/^spec.valueSize: .* 4 bytes, got 8/);
    expect(() => createMap({ ...spec, type: 'hash', inner: { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 } })).toThrow(/^spec.inner: a map of type hash holds no maps/);
    using outer = createMap({ ...spec, inner: { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 } });
    using other = createMap({ type: 'hash', keySize: 4, valueSize: 16, maxEntries: 1 });
    expect(() => putInnerMap(outer, u32(1), other)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => putInnerMap(other, u32(1), outer)).toThrow(/^outer: expected a map of maps, got one of type hash/);
    expect(() => innerMapId(outer, new Uint8Array(3))).toThrow(/^key: expected 4 bytes/);
    other.close();
    expect(() => putInnerMap(outer, u32(1), other)).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });
});

describe('maps of maps of an object', () => {
  test('say what they declare', () => {
    using opened = openObject(compile('tables'));
    expect(opened.maps.get('tables')?.inner).toEqual({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 4, flags: mapFlags.innerMap });
    expect(opened.maps.get('undeclared')?.inner).toBeUndefined();
    expect(() => openObject(compile('tables')).loadSync()).toThrow(/map 'undeclared': failed to create/);
  });

  test('a program sees what is put in, and its replacement', () => {
    using object = load();
    const program = object.program('by_table');
    const run = (): number => program.testRun({ data: packet }).retval;
    expect(run()).toBe(2);
    const tables = object.map('tables');
    using drop = array();
    drop.update(u32(1), u32(1));
    putInnerMap(tables, u32(7), drop);
    expect(run()).toBe(1);
    using send = array(50);
    send.update(u32(1), u32(3));
    putInnerMap(tables, u32(7), send);
    expect(run()).toBe(3);
    tables.delete(u32(7));
    expect(run()).toBe(2);
  });

  test('a template gives the shape that the object leaves open; once only', () => {
    using template = hash();
    using opened = openObject(compile('tables')).setInnerMap('undeclared', template);
    expect(() => opened.setInnerMap('undeclared', template)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => opened.setInnerMap('nope', template)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    template.close(); // the object keeps what it needs
    using object = opened.loadSync();
    using inner = hash();
    inner.update(u32(9), u32(1));
    putInnerMap(object.map('undeclared'), u32(2), inner);
    expect(object.program('from_array').testRun({ data: packet }).retval).toBe(1);
  });
});
