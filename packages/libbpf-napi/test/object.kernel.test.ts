import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ensureBpffs, isBpffs, LibbpfError, openObject, openPinnedMap } from '../src/index.ts';
import { compile } from './compile.ts';
import { folder, toU32, u32 } from './sandbox.ts';

describe('opening', () => {
  test('lists maps, programs and variables', () => {
    using opened = openObject(compile('maps'));
    expect([...opened.maps.keys()].sort()).toEqual(['.bss', '.data', '.rodata', 'cells', 'counters', 'prefixes', 'table']);
    expect(opened.maps.get('table')).toMatchObject({ type: 'hash', keySize: 4, valueSize: 16, maxEntries: 64, internal: false });
    expect(opened.maps.get('.bss')).toMatchObject({ type: 'array', internal: true });
    expect(opened.programs.get('count')).toEqual({ name: 'count', section: 'tc', type: 'sched_cls', autoload: true });
    expect(opened.programs.get('cut')).toMatchObject({ type: 'xdp' });
    expect(opened.variables.get('answer')).toMatchObject({ section: '.rodata', size: 4 });
    expect(opened.variables.get('epoch')).toMatchObject({ section: '.bss', size: 8 });
  });

  test('takes bytes as well as a path', () => {
    using opened = openObject(new Uint8Array(readFileSync(compile('maps'))), { name: 'memory' });
    expect(opened.maps.has('.rodata')).toBe(true);
    using object = opened.setConfig('enabled', true).loadSync();
    expect(object.program('count').info.name).toBe('count');
  });

  test('says what is wrong with a file', () => {
    expect(() => openObject('/nonexistent.o')).toThrow(expect.objectContaining({ code: 'ENOENT', path: '/nonexistent.o' }));
    expect(() => openObject('/etc/passwd')).toThrow(/^opening \/etc\/passwd: /);
    expect(() => openObject(new Uint8Array(10), { name: 'junk' })).toThrow(LibbpfError);
    expect(() => openObject(new Uint8Array(0))).toThrow(LibbpfError);
    expect(() => openObject('')).toThrow(TypeError);
  });
});

describe('configuring', () => {
  test('sets constants of every type, and only values that fit', () => {
    using opened = openObject(compile('maps'));
    opened.setConfig('small', 255).setConfig('medium', 65535).setConfig('answer', 42).setConfig('large', 2n ** 64n - 1n);
    opened.setConfig('negative', -5).setConfig('enabled', true).setConfig('address', Uint8Array.of(1, 2, 3, 4, 5, 6)).setConfig('initialised', 9n);
    expect([...opened.getConfig('large')]).toEqual(Array(8).fill(255));
    expect([...opened.getConfig('negative')]).toEqual([0xfb, 0xff, 0xff, 0xff]);
    expect([...opened.getConfig('address')]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...opened.getConfig('enabled')]).toEqual([1]);
    expect(() => opened.setConfig('small', 256)).toThrow(/^small: 256 is outside 0\.\.255/);
    expect(() => opened.setConfig('negative', 2 ** 31)).toThrow(RangeError);
    expect(() => opened.setConfig('answer', 1.5)).toThrow(TypeError);
    expect(() => opened.setConfig('answer', true)).toThrow(TypeError);
    expect(() => opened.setConfig('enabled', 2)).toThrow(RangeError);
    expect(() => opened.setConfig('address', 1)).toThrow(/takes a Uint8Array/);
    expect(() => opened.setConfig('address', new Uint8Array(5))).toThrow(/expected 6 bytes, got 5/);
    expect(() => opened.setConfig('nothing', 1)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  test('a configured program behaves so', async () => {
    using object = await openObject(compile('maps')).setConfig('answer', 42).setConfig('enabled', true).load();
    const rodata = object.map('.rodata');
    const at = object.variables.get('answer');
    expect(toU32(rodata.lookup(u32(0))?.subarray(at?.offset))).toBe(42);
    expect(object.program('count').testRun({ data: new Uint8Array(64) }).retval).toBe(0);
    using plain = await openObject(compile('maps')).load();
    expect(plain.program('count').testRun({ data: new Uint8Array(64) }).retval).toBe(2);
  });

  test('sizes, leaving programs out, and unknown names', async () => {
    using opened = openObject(compile('maps'), { maps: { table: { maxEntries: 7 } } });
    opened.setAutoload('cut', false);
    using object = await opened.load();
    expect(object.map('table').maxEntries).toBe(7);
    expect(object.map('table')).toBe(object.map('table'));
    expect(() => object.program('cut')).toThrow(/no|none/);
    expect(() => object.map('nope')).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: expect.stringContaining('table') as string }));
    expect(() => openObject(compile('maps'), { maps: { nope: {} } })).toThrow(/nope/);
  });

  test('re-uses a map of another object', async () => {
    using first = await openObject(compile('maps')).load();
    first.map('table').update(u32(1), new Uint8Array(16).fill(1));
    using second = await openObject(compile('maps'), { maps: { table: { reuse: first.map('table') } } }).load();
    expect(second.map('table').info.id).toBe(first.map('table').info.id);
    first.close();
    expect(second.map('table').lookup(u32(1))).toEqual(new Uint8Array(16).fill(1));
  });

  test('pins maps by path, and finds them again', async () => {
    const path = folder(onTestFinished);
    expect(isBpffs(path)).toBe(false);
    expect(ensureBpffs(path)).toBe(true);
    expect(ensureBpffs(path)).toBe(false);
    const options = { maps: { table: { pinPath: `${path}/table` } } };
    using first = await openObject(compile('maps'), options).load();
    using pinned = openPinnedMap(`${path}/table`);
    expect(pinned.info.id).toBe(first.map('table').info.id);
    using second = await openObject(compile('maps'), options).load();
    expect(second.map('table').info.id).toBe(pinned.info.id);
    const different = { maps: { table: { pinPath: `${path}/table`, maxEntries: 3 } } };
    await expect(openObject(compile('maps'), different).load()).rejects.toThrow(/parameter mismatch/);
    expect(pinned.unpin(`${path}/table`)).toBe(true);
    expect(pinned.unpin(`${path}/table`)).toBe(false);
    expect(() => openPinnedMap(`${path}/table`)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

describe('loading', () => {
  test('keeps the verifier log whole and says the reason in one line', async () => {
    const error = await openObject(compile('refused')).load().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LibbpfError);
    const { message, log, code } = error as LibbpfError;
    expect(message.split('\n')).toHaveLength(1);
    expect(message).toMatch(/^loading object 'refused': .*verifier on program 'careless': .*invalid access to packet/);
    expect(log).toMatch(/BEGIN PROG LOAD LOG[\s\S]*processed \d+ insns[\s\S]*END PROG LOAD LOG/);
    expect(code).toBe('EACCES');
    expect(() => openObject(compile('refused')).loadSync()).toThrow(/invalid access to packet/);
  });

  test('uses up the opened object', async () => {
    const opened = openObject(compile('maps'));
    const loading = opened.load();
    expect(() => opened.setConfig('answer', 1)).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
    await expect(opened.load()).rejects.toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
    opened.close();
    using object = await loading;
    object.close();
    object.close();
    expect(() => object.map('table')).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });

  test('many at once, and closed handles say so', async () => {
    const objects = await Promise.all(Array.from({ length: 8 }, (_, i) => openObject(compile('maps')).setConfig('answer', i).load()));
    const map = objects[0]?.map('table');
    for (const object of objects) object.close();
    expect(map?.closed).toBe(true);
    expect(() => map?.lookup(u32(1))).toThrow("looking up in a map: map 'table' is closed");
  });
});
