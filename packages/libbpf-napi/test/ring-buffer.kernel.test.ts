import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { createMap, openObject, openRingBuffer, skbContext, type BpfObject, type RingBatch } from '../src/index.ts';
import { compile } from './compile.ts';
import { bpfDescriptors, inChild, libraryPath } from './sandbox.ts';

const load = (): BpfObject => openObject(compile('ring')).loadSync();
/** Has a program submit `count` records (at most 1,000 per run). */
const submit = (object: BpfObject, program: string, count: number, repeat = 1): void =>
  void object.program(program).testRun({ data: new Uint8Array(64), ctx: skbContext({ cb: [count] }), repeat, dataOutSize: 0 });
const numbersOf = (batch: RingBatch): number[] => Array.from(batch, (record) => Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true)));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const global = (object: BpfObject, name: string): number => {
  using memory = object.map('.bss').mmap();
  return Number(memory.load64((object.variables.get(name)?.offset ?? 0) / 8));
};

describe('draining', () => {
  test('returns what is there, in order', () => {
    using object = load();
    using ring = openRingBuffer(object.map('events'));
    expect(ring.drain()).toMatchObject({ count: 0, lost: 0 });
    submit(object, 'quiet', 500);
    const batch = ring.drain();
    expect(numbersOf(batch)).toEqual(upTo(500));
    expect([batch.length(0), batch.offset(1) - batch.offset(0)]).toEqual([48, 48]);
    expect(() => batch.record(500)).toThrow(RangeError);
    expect(ring.drain().count).toBe(0);
  });

  test('records of odd lengths begin at multiples of 8', () => {
    using object = load();
    using ring = openRingBuffer(object.map('events'), { batchBytes: 4096 });
    submit(object, 'odd', 0);
    const batch = ring.drain();
    expect([...batch].map((record) => Buffer.from(record).toString())).toEqual(['12345', '123']);
    expect([batch.offset(0), batch.offset(1)]).toEqual([0, 8]);
  });

  test('what finds no room in the hand-over is counted', () => {
    using object = load();
    using ring = openRingBuffer(object.map('events'), { batchBytes: 4096, highWater: 2 });
    submit(object, 'quiet', 1000);
    const batch = ring.drain();
    // 86 records of 48 bytes make a batch of 4,096 bytes
    expect(batch.count).toBe(2 * 86);
    expect(batch.count + batch.lost + ring.drain().lost).toBe(1000);
  });

  test('what finds no room in the ring is the program’s to count', () => {
    using object = load();
    using ring = openRingBuffer(object.map('events'));
    submit(object, 'quiet', 1000, 5);
    const got = ring.drain().count;
    expect(got).toBe(global(object, 'submitted'));
    expect(got + global(object, 'refused')).toBe(5000);
    expect(global(object, 'refused')).toBeGreaterThan(0);
  });
});

describe('iterating', () => {
  test.each(['quiet', 'loud'])('sees every record, submitted %sly', async (program) => {
    using object = load();
    const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 5 });
    const seen: number[] = [];
    setTimeout(() => submit(object, program, 300), 10);
    setTimeout(() => submit(object, program, 700), 30);
    for await (const batch of ring) {
      seen.push(...numbersOf(batch));
      expect(batch.lost).toBe(0);
      if (seen.length >= 1000) break;
    }
    expect(seen).toEqual(upTo(1000));
    expect(ring.closed).toBe(true);
  });

  test('a wake-up comes at once, whatever the interval', async () => {
    using object = load();
    const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 60_000 });
    setTimeout(() => submit(object, 'loud', 3), 20);
    for await (const batch of ring) {
      expect(numbersOf(batch)).toEqual([0, 1, 2]);
      break;
    }
  });

  test('under a flood nothing goes uncounted', async () => {
    using object = load();
    const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 1, batchBytes: 8192, highWater: 4 });
    let [received, lost, last] = [0, 0, -1];
    const flood = (async (): Promise<void> => {
      for (let i = 0; i < 400; i++) {
        submit(object, i % 2 ? 'quiet' : 'loud', 500);
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const reading = (async (): Promise<void> => {
      for await (const batch of ring) {
        for (const number of numbersOf(batch)) {
          if (number <= last) throw new Error(`record ${number} after ${last}`);
          last = number;
        }
        received += batch.count;
        lost += batch.lost;
        if (received + lost >= global(object, 'submitted') && global(object, 'submitted') + global(object, 'refused') === 200_000) break;
      }
    })();
    await flood;
    submit(object, 'loud', 0);
    await reading;
    expect(received + lost + global(object, 'refused')).toBe(200_000);
    expect(received).toBeGreaterThan(0);
  });

  test('close() ends an iteration that waits', async () => {
    using object = load();
    const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 10_000 });
    setTimeout(() => ring.close(), 20);
    for await (const batch of ring) throw new Error(`unexpected batch of ${batch.count}`);
    ring.close();
    expect(() => ring.drain()).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });

  test('close() while records pour in', async () => {
    using object = load();
    for (let i = 0; i < 30; i++) {
      const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 1, batchBytes: 4096 });
      const reading = (async (): Promise<void> => {
        for await (const batch of ring) void batch;
      })();
      for (let j = 0; j < 5; j++) submit(object, 'loud', 1000);
      if (i % 3 !== 0) await new Promise((resolve) => setTimeout(resolve, i % 3));
      ring.close();
      await reading;
    }
  });

  test('one at a time', async () => {
    using object = load();
    using ring = openRingBuffer(object.map('events'));
    const first = ring[Symbol.asyncIterator]();
    const waiting = first.next();
    await expect(ring[Symbol.asyncIterator]().next()).rejects.toThrow(expect.objectContaining({ code: 'EBUSY' }));
    ring.close();
    expect(await waiting).toMatchObject({ done: true });
  });

  test('drain() beside an iteration loses nothing', async () => {
    using object = load();
    const ring = openRingBuffer(object.map('events'), { pollIntervalMs: 1 });
    const seen: number[] = [];
    const reading = (async (): Promise<void> => {
      for await (const batch of ring) seen.push(...numbersOf(batch));
    })();
    for (let i = 0; i < 50; i++) {
      submit(object, 'quiet', 100);
      if (i % 2) seen.push(...numbersOf(ring.drain()));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    seen.push(...numbersOf(ring.drain()));
    ring.close();
    await reading;
    expect(seen.sort((a, b) => a - b)).toEqual(upTo(5000));
  });
});

describe('lifetime', () => {
  test('refuses what is no ring buffer', () => {
    using map = createMap({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(() => openRingBuffer(map)).toThrow(TypeError);
    using object = load();
    expect(() => openRingBuffer(object.map('events'), { pollIntervalMs: 0 })).toThrow(/pollIntervalMs/);
  });

  test('twenty rounds leave no descriptor behind', async () => {
    using object = load();
    const round = async (): Promise<void> => {
      submit(object, 'quiet', 10);
      for await (const batch of openRingBuffer(object.map('events'), { pollIntervalMs: 1 })) {
        expect(batch.count).toBe(10);
        break;
      }
    };
    await round();
    const before = bpfDescriptors();
    for (let i = 0; i < 20; i++) await round();
    expect(bpfDescriptors()).toBe(before);
  });

  test('a waiting iteration does not keep a process alive, unless asked to', () => {
    const code = (keepAlive: boolean): string => inChild([], async (bpf, { path, keepAlive }) => {
      const object = bpf.openObject(path).loadSync();
      const ring = bpf.openRingBuffer(object.map('events'), { keepAlive });
      if (keepAlive) setTimeout(() => ring.close(), 50).unref();
      else process.on('exit', () => process.stdout.write('"left"'));
      for await (const batch of ring) void batch;
      return 'closed';
    }, { path: compile('ring'), keepAlive });
    expect(code(true)).toBe('closed');
    expect(() => code(false)).toThrow(expect.objectContaining({ status: 13, stdout: '"left"' })); // 13: top-level await never settled
  });

  test('forgotten handles are closed by the garbage collector', () => {
    const left = inChild([], async (bpf, path) => {
      const { readdirSync, readlinkSync } = process.getBuiltinModule('node:fs');
      const open = (): number => readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return /bpf|eventpoll/.test(readlinkSync(`/proc/self/fd/${fd}`));
        } catch {
          return false;
        }
      }).length;
      const before = open();
      const use = async (): Promise<void> => {
        const object = await bpf.openObject(path).load();
        const ring = bpf.openRingBuffer(object.map('events'), { pollIntervalMs: 1, keepAlive: true });
        object.program('quiet').testRun({ data: new Uint8Array(64), ctx: bpf.skbContext({ cb: [1] }) });
        await ring[Symbol.asyncIterator]().next();
        object.map('.bss').mmap();
      };
      for (let i = 0; i < 5; i++) await use();
      const during = open();
      for (let i = 0; i < 20 && open() > before; i++) {
        (globalThis as unknown as { gc: () => void }).gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return { held: during > before, left: open() - before };
    }, compile('ring'), ['--expose-gc']);
    expect(left).toEqual({ held: true, left: 0 });
  });

  test('worker threads have handles of their own, closed when they are terminated', async () => {
    const before = bpfDescriptors();
    for (let i = 0; i < 10; i++) {
      const worker = new Worker(`
        const { parentPort } = require('node:worker_threads');
        (async () => {
          const bpf = await import(${JSON.stringify(libraryPath())});
          const object = await bpf.openObject(${JSON.stringify(compile('ring'))}).load();
          const memory = object.map('.bss').mmap();
          const ring = bpf.openRingBuffer(object.map('events'), { pollIntervalMs: 1, keepAlive: true });
          object.program('loud').testRun({ data: new Uint8Array(64), ctx: bpf.skbContext({ cb: [50] }) });
          for await (const batch of ring) { parentPort.postMessage(batch.count); bpf.membarrierGlobal(); memory.load64(0); }
        })();`, { eval: true });
      const count = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(count).toBe(50);
      await worker.terminate();
    }
    expect(bpfDescriptors()).toBe(before);
  });
});
