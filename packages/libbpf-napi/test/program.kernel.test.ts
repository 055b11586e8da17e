import { describe, expect, onTestFinished, test } from 'vitest';
import { createTestRunBuffers, openObject, openProgramById, readSkbContext, SKB_CONTEXT_SIZE, skbContext, type BpfObject } from '../src/index.ts';
import { compile } from './compile.ts';
import { inNamespace, namespace } from './sandbox.ts';

const load = (): BpfObject => openObject(compile('maps')).setConfig('enabled', true).setConfig('answer', 42).loadSync();
const packet = new Uint8Array(64).map((_, i) => i);

describe('information', () => {
  test('on a loaded program', () => {
    using object = load();
    const { info } = object.program('count');
    expect(info).toMatchObject({ name: 'count', type: 'sched_cls', runCount: expect.any(Number) as number });
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/);
    expect(info.id).toBeGreaterThan(0);
    expect(info.verifiedInstructions).toBeGreaterThan(10);
    expect(info.translatedSize).toBeGreaterThan(80);
    const ids = ['cells', 'counters', '.bss', '.rodata'].map((name) => object.map(name).info.id);
    expect([...info.mapIds].sort()).toEqual(ids.sort());
    using same = openProgramById(info.id);
    expect(same.info.tag).toBe(info.tag);
    expect(() => openProgramById(0x7fffffff)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

describe('test run', () => {
  test('passes packet and context in and out', () => {
    using object = load();
    const run = object.program('count').testRun({ data: packet, ctx: skbContext({ mark: 7, cb: [3, 0, 0, 0, 9], priority: 5, ifindex: 1 }) });
    expect(run.retval).toBe(3);
    expect(run.dataOut).toEqual(packet);
    expect(readSkbContext(run.ctxOut)).toMatchObject({ mark: 8, cb: [3, 42, 0, 0, 9], priority: 5, ifindex: 1 });
    expect(run.durationNs).toBeGreaterThan(0);
    const plain = object.program('count').testRun({ data: packet, dataOutSize: 0 });
    expect(plain).toMatchObject({ retval: 0, dataOut: new Uint8Array(0), ctxOut: new Uint8Array(0) });
  });

  test('of XDP, with a packet that changes its length', () => {
    using object = load();
    const run = object.program('cut').testRun({ data: packet });
    expect(run.retval).toBe(2);
    expect(run.dataOut).toEqual(packet.subarray(4));
  });

  test('refuses what cannot be', () => {
    using object = load();
    const program = object.program('count');
    expect(() => program.testRun({ data: new Uint8Array(3) })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => program.testRun({ data: packet, dataOutSize: 10 })).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    const ctx = skbContext({});
    ctx[0] = 1; // `len` cannot be given
    expect(() => program.testRun({ data: packet, ctx })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => program.testRun({ data: packet, repeat: 0 })).toThrow(/options.repeat/);
    expect(() => program.testRun({ data: 'x' as never })).toThrow(TypeError);
    const buffers = createTestRunBuffers({ dataIn: 64 });
    buffers.dataInSize = 65;
    expect(() => program.testRunRaw(buffers)).toThrow(/dataInSize/);
    const closed = program.dup();
    closed.close();
    expect(() => closed.testRun({ data: packet })).toThrow(expect.objectContaining({ code: 'HANDLE_CLOSED' }));
  });

  test('a hundred thousand times in reused buffers', () => {
    using object = load();
    const program = object.program('count');
    const buffers = createTestRunBuffers({ dataIn: 1500, ctx: SKB_CONTEXT_SIZE });
    for (let i = 0; i < 100_000; i++) {
      buffers.dataInSize = 14 + (i % 1000);
      buffers.dataIn[0] = i;
      if (i % 1000 === 0) skbContext({ mark: i, cb: [(i / 1000) % 5] }, buffers.ctxIn);
      const expected = Math.floor(i / 1000) % 5;
      if (program.testRunRaw(buffers) !== expected) throw new Error(`run ${i}: ${buffers.result[0]} instead of ${expected}`);
      if (buffers.result[1] !== buffers.dataInSize) throw new Error(`run ${i}: ${buffers.result[1]} bytes`);
    }
    expect(readSkbContext(buffers.ctxOut ?? new Uint8Array(0)).mark).toBe(99_001);
  });

  test('with devices of the own network namespace', () => {
    const name = namespace(onTestFinished);
    const result = inNamespace(name, (bpf, path) => {
      const object = bpf.openObject(path).setConfig('enabled', true).loadSync();
      const run = (ctx: Parameters<typeof bpf.skbContext>[0]) => bpf.readSkbContext(object.program('count').testRun({ data: new Uint8Array(64), ctx: bpf.skbContext(ctx) }).ctxOut);
      const { ifindex, ingressIfindex } = run({ ifindex: 101, ingressIfindex: 100 });
      let missing = '';
      try {
        run({ ifindex: 4711 });
      } catch (error) {
        missing = (error as InstanceType<typeof bpf.LibbpfError>).code;
      }
      return { ifindex, ingressIfindex, missing };
    }, compile('maps'));
    expect(result).toEqual({ ifindex: 101, ingressIfindex: 100, missing: 'ENODEV' });
  });
});
