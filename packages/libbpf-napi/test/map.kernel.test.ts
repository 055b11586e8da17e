import { describe, expect, onTestFinished, test } from 'vitest';
import { type BpfMap, createMap, ensureBpffs, joinPerCpu, LibbpfError, mapFlags, openMapById, openObject, openPinnedMap, openPinnedProgram, possibleCpus, splitPerCpu } from '../src/index.ts';
import { compile } from './compile.ts';
import { bpfDescriptors, folder, toU32, u32 } from './sandbox.ts';

/** The port that other packages use a map through: BpfMap must satisfy it by its shape. */
interface RawMap {
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array, flags?: 'any' | 'noexist' | 'exist'): void;
  delete(key: Uint8Array): boolean;
  entries(): Iterable<[Uint8Array, Uint8Array]>;
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  deleteBatch(keys: Uint8Array, count: number): void;
  close(): void;
}

const hash = (maxEntries = 16): BpfMap => createMap({ type: 'hash', name: 'test_hash', keySize: 4, valueSize: 8, maxEntries });
const numbers = (count: number, from = 0): Uint8Array => u32(...Array.from({ length: count }, (_, i) => from + i));
const fill = (map: RawMap, count: number): void => map.updateBatch(numbers(count), new Uint8Array(count * map.valueSize), count);
const keysOf = (map: BpfMap): number[] => [...map.keys()].map(toU32).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('one entry', () => {
  test('is created, replaced, found and deleted', () => {
    using map = hash();
    const port: RawMap = map;
    expect(map.info).toMatchObject({ type: 'hash', name: 'test_hash', keySize: 4, valueSize: 8, maxEntries: 16 });
    expect(port.lookup(u32(1))).toBeUndefined();
    port.update(u32(1), u32(1, 2));
    expect(port.lookup(u32(1))).toEqual(u32(1, 2));
    port.update(u32(1), u32(3, 4), 'exist');
    expect(map.lookupAndDelete(u32(1))).toEqual(u32(3, 4));
    expect(port.delete(u32(1))).toBe(false);
    port.update(u32(1), u32(1, 2), 'noexist');
    expect(port.delete(u32(1))).toBe(true);
  });

  test('failures carry the name of the kernel error', () => {
    using map = hash(2);
    const code = (f: () => void): string => {
      try {
        f();
      } catch (error) {
        if (error instanceof LibbpfError) return error.code;
      }
      return 'none';
    };
    expect(code(() => map.update(u32(1), u32(0, 0), 'exist'))).toBe('ENOENT');
    map.update(u32(1), u32(0, 0));
    expect(code(() => map.update(u32(1), u32(0, 0), 'noexist'))).toBe('EEXIST');
    map.update(u32(2), u32(0, 0));
    expect(code(() => map.update(u32(3), u32(0, 0)))).toBe('E2BIG');
    expect(() => map.update(u32(3), u32(0, 0))).toThrow("updating map 'test_hash' (hash, 2 entries): the map is full");
    expect(code(() => openMapById(0x7fffffff))).toBe('ENOENT');
    expect(code(() => createMap({ type: 'hash', keySize: 0, valueSize: 4, maxEntries: 1 }))).toBe('EINVAL');
  });

  test('misuse names the argument', () => {
    using map = hash();
    expect(() => map.lookup(u32(1, 2))).toThrow('key: expected 4 bytes, got 8');
    expect(() => map.update(u32(1), u32(1))).toThrow('value: expected 8 bytes, got 4');
    expect(() => map.lookup('x' as never)).toThrow(TypeError);
    expect(() => map.update(u32(1), u32(1, 2), 'sometimes' as never)).toThrow(/flags/);
    expect(() => map.updateBatch(u32(1), u32(1, 2), 2)).toThrow('keys: expected 8 bytes, got 4');
    expect(() => createMap({ type: 'nonsense' as never, keySize: 4, valueSize: 4, maxEntries: 1 })).toThrow(/spec.type/);
    expect(() => createMap({ type: 'hash', name: 'much too long a name', keySize: 4, valueSize: 4, maxEntries: 1 })).toThrow(/spec.name/);
    map.close();
    map.close();
    expect(() => map.lookup(u32(1))).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
    expect(() => map.fd).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });
});

describe('many entries', () => {
  test('in batches', () => {
    using map = hash(1000);
    fill(map, 1000);
    expect(keysOf(map)).toEqual(upTo(1000));
    expect(map.deleteBatch(numbers(500, 250), 500)).toBe(500);
    // keys 500..1249, of which 500..749 and 1000..1249 do not exist
    expect(map.deleteBatch(numbers(750, 500), 750)).toBe(250);
    expect(keysOf(map)).toEqual(upTo(250));
    expect(map.deleteBatch(new Uint8Array(0), 0)).toBe(0);
    map.updateBatch(new Uint8Array(0), new Uint8Array(0), 0);
  });

  test('a batch that does not fit says how far it came', () => {
    using map = hash(10);
    const error = ((): unknown => {
      try {
        fill(map, 12);
      } catch (e) {
        return e;
      }
    })();
    expect(error).toMatchObject({ code: 'E2BIG', completed: 10 });
    expect(keysOf(map)).toHaveLength(10);
    expect(() => map.updateBatch(u32(3), u32(1, 1), 1, 'noexist')).toThrow(expect.objectContaining({ code: 'EEXIST', completed: 0 }));
  });

  test('are walked in batches of any size', () => {
    using map = hash(300);
    fill(map, 300);
    const seen: number[] = [];
    for (let batch = map.lookupBatch(64); ; batch = map.lookupBatch(64, batch.next)) {
      for (let i = 0; i < batch.count; i++) seen.push(toU32(batch.keys.subarray(4 * i)));
      if (batch.next === undefined) break;
    }
    expect(seen.sort((a, b) => a - b)).toEqual(upTo(300));
  });

  test.each(['hash', 'lru_hash', 'percpu_hash', 'lpm_trie'] as const)('a %s can be emptied while it is walked', (type) => {
    using map = createMap({ type, keySize: 8, valueSize: 4, maxEntries: 3000 });
    const key = (i: number): Uint8Array => {
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, type === 'lpm_trie' ? 32 : i, true);
      view.setUint32(4, i);
      return bytes;
    };
    for (let i = 0; i < 2500; i++) map.update(key(i), new Uint8Array(map.valueSize));
    let seen = 0;
    for (const [k] of map) {
      seen++;
      expect(map.delete(k)).toBe(true);
    }
    expect(seen).toBe(2500);
    expect([...map.entries()]).toEqual([]);
  });

  test('a walk ends and sees what stays, while others delete and create', () => {
    for (const type of ['hash', 'lpm_trie'] as const) {
      using map = createMap({ type, keySize: 8, valueSize: 4, maxEntries: 4096 });
      const key = (i: number): Uint8Array => Uint8Array.of(...u32(32), i >>> 24, i >>> 16, i >>> 8, i);
      for (let i = 0; i < 2000; i++) map.update(key(i), u32(i));
      const seen = new Map<number, number>();
      let step = 0;
      for (const [, value] of map) {
        seen.set(toU32(value), (seen.get(toU32(value)) ?? 0) + 1);
        // delete odd ones ahead and behind, put new ones in: an endless supply
        map.delete(key((step * 7919) % 2000 | 1));
        if (step < 2000) map.update(key(10_000 + step), u32(10_000 + step));
        step++;
      }
      for (let i = 0; i < 2000; i += 2) expect(seen.get(i)).toBe(1);
      expect(Math.max(...seen.values())).toBe(1);
    }
  });
});

describe('kinds of maps', () => {
  test('per-CPU maps have a slot for every CPU', async () => {
    using object = await openObject(compile('maps')).setConfig('enabled', true).load();
    const counters = object.map('counters');
    expect(counters.perCpu).toBe(true);
    expect(counters.info.valueSize).toBe(4);
    expect(counters.valueSize).toBe(8 * possibleCpus());
    object.program('count').testRun({ data: new Uint8Array(64), repeat: 10 });
    const values = splitPerCpu(counters.lookup(u32(0)) ?? new Uint8Array(0), 4).map(toU32);
    expect(values).toHaveLength(possibleCpus());
    expect(values.reduce((a, b) => a + b)).toBe(10);
    counters.update(u32(1), joinPerCpu(values.map((_, cpu) => u32(cpu + 1)), 4));
    expect(splitPerCpu(counters.lookup(u32(1)) ?? new Uint8Array(0), 4).map(toU32)).toEqual(values.map((_, cpu) => cpu + 1));
    expect([...counters.entries()]).toHaveLength(2);
    expect(() => joinPerCpu([u32(1, 2)], 4)).toThrow('values[0]');
    expect(() => splitPerCpu(new Uint8Array(9), 4)).toThrow('value');
  });

  test('LPM tries find the longest prefix', async () => {
    using object = await openObject(compile('maps')).load();
    const prefixes = object.map('prefixes');
    const key = (length: number, ...address: number[]): Uint8Array => Uint8Array.of(...u32(length), ...address);
    prefixes.update(key(0, 0, 0, 0, 0), u32(1));
    prefixes.update(key(8, 10, 0, 0, 0), u32(2));
    prefixes.update(key(24, 10, 1, 2, 0), u32(3));
    expect(toU32(prefixes.lookup(key(32, 10, 1, 2, 3)))).toBe(3);
    expect(toU32(prefixes.lookup(key(32, 10, 9, 9, 9)))).toBe(2);
    expect(toU32(prefixes.lookup(key(32, 192, 0, 2, 1)))).toBe(1);
    expect([...prefixes.entries()].map(([, value]) => toU32(value)).sort()).toEqual([1, 2, 3]);
    prefixes.updateBatch(Uint8Array.of(...key(32, 1, 1, 1, 1), ...key(32, 2, 2, 2, 2)), u32(8, 9), 2);
    expect(prefixes.deleteBatch(Uint8Array.of(...key(32, 1, 1, 1, 1), ...key(32, 3, 3, 3, 3), ...key(32, 2, 2, 2, 2)), 3)).toBe(2);
    expect(prefixes.delete(key(16, 10, 0, 0, 0))).toBe(false);
  });

  test('arrays, queues, and maps of maps', () => {
    using array = createMap({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 3000 });
    array.update(u32(2999), u32(7));
    expect([...array.entries()].map(([key, value]) => [toU32(key), toU32(value)]).at(-1)).toEqual([2999, 7]);
    expect(() => array.update(u32(3000), u32(1))).toThrow(expect.objectContaining({ code: 'E2BIG' }));
    expect(() => array.delete(u32(1))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    using queue = createMap({ type: 'queue', keySize: 0, valueSize: 4, maxEntries: 2 });
    queue.update(new Uint8Array(0), u32(5));
    queue.update(new Uint8Array(0), u32(6));
    expect(toU32(queue.lookupAndDelete(new Uint8Array(0)))).toBe(5);
    expect(() => [...queue.keys()]).toThrow(/has no keys/);
    using inner = hash();
    using outer = createMap({ type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 4, inner });
    outer.update(u32(1), u32(inner.fd));
    expect(toU32(outer.lookup(u32(1)))).toBe(inner.info.id);
    expect([...outer.entries()]).toHaveLength(1);
  });

  test('a frozen map cannot be written', () => {
    using map = hash();
    map.freeze();
    expect(() => map.update(u32(1), u32(1, 2))).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });
});

describe('memory of arrays', () => {
  test('is shared with the kernel', async () => {
    using object = await openObject(compile('maps')).setConfig('enabled', true).load();
    const cells = object.map('cells');
    using memory = cells.mmap();
    expect(memory.u64).toHaveLength(16);
    expect(memory.stride).toBe(8);
    memory.store64(0, 0x1122334455667788n);
    Atomics.store(memory.u64, 1, 5n);
    expect(memory.add64(1, 2n)).toBe(5n);
    expect(memory.load64(1)).toBe(7n);
    expect(cells.lookup(u32(1))).toEqual(u32(7, 0));
    cells.update(u32(2), u32(9, 0));
    expect(memory.u64[2]).toBe(9n);
    object.program('count').testRun({ data: new Uint8Array(64) });
    using global = object.map('.bss').mmap();
    const offset = object.variables.get('epoch')?.offset ?? -1;
    expect(global.load64(offset / 8)).toBe(0x1122334455667788n);
    expect(memory.bytes[0]).toBe(0x88);
    expect(() => memory.load64(16)).toThrow(RangeError);
    expect(() => object.map('table').mmap()).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }));
  });

  test('cannot be touched once it is gone', () => {
    const map = createMap({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 4096, flags: mapFlags.mmapable });
    const memory = map.mmap();
    const { bytes, u64 } = memory;
    u64[0] = 1n;
    const other = map.mmap({ writable: false });
    other.close();
    map.close();
    memory.close();
    expect([bytes.length, u64.length]).toEqual([0, 0]);
    expect(bytes[0]).toBeUndefined();
    u64[0] = 2n;
    expect(() => Atomics.store(u64, 0, 1n)).toThrow();
    expect(() => memory.u64).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
    expect(() => memory.store64(0, 1n)).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });
});

describe('handles', () => {
  test('pins, ids and duplicates reach the same map', async () => {
    const path = folder(onTestFinished);
    ensureBpffs(path);
    using map = hash();
    map.pin(`${path}/map`);
    expect(() => map.pin(`${path}/map`)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    using pinned = openPinnedMap(`${path}/map`);
    using byId = openMapById(map.info.id);
    const duplicate = map.dup();
    map.close();
    duplicate.update(u32(1), u32(2, 3));
    expect(byId.lookup(u32(1))).toEqual(u32(2, 3));
    duplicate.close();
    expect(pinned.lookup(u32(1))).toEqual(u32(2, 3));
    using object = await openObject(compile('maps')).load();
    object.program('count').pin(`${path}/program`);
    expect(() => openPinnedMap(`${path}/program`)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => openPinnedProgram(`${path}/map`)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    using program = openPinnedProgram(`${path}/program`);
    expect(program.info.id).toBe(object.program('count').info.id);
  });

  test('leave no descriptor behind', async () => {
    const round = async (): Promise<void> => {
      using object = await openObject(compile('maps')).load();
      for (const name of object.maps.keys()) object.map(name).dup().close();
      object.map('cells').mmap();
      object.program('count').dup().close();
      using map = hash();
      expect(() => map.update(u32(1), u32(1, 1), 'exist')).toThrow();
      await expect(openObject(compile('refused')).load()).rejects.toThrow();
    };
    await round();
    const before = bpfDescriptors();
    for (let i = 0; i < 30; i++) await round();
    expect(bpfDescriptors()).toBe(before);
  });
});
