import { execFileSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { attachXdp, openObject, readXdpContext, XDP_CONTEXT_SIZE, xdpContext, type BpfObject } from '../src/index.ts';
import { compile } from './compile.ts';
import { folder, inNamespace, namespace, toU32, u32 } from './sandbox.ts';

const load = (): BpfObject => openObject(compile('xdp')).loadSync();

describe('XDP links', () => {
  test.each(['native', 'generic'] as const)('%s: attach, replace atomically, query, pin and detach', (mode) => {
    const name = namespace(onTestFinished);
    const pins = folder(onTestFinished);
    const result = inNamespace(name, (bpf, { path, pins, mode }) => {
      bpf.ensureBpffs(pins);
      const object = bpf.openObject(path).loadSync();
      const [pass, drop] = [object.program('pass'), object.program('drop')];
      const other = mode === 'native' ? 'generic' : 'native';
      const target = { ifindex: 100 };
      const attached = (): string => {
        const ids = bpf.queryXdp(target);
        return [ids.native, ids.generic, ids.offloaded].map((id) => (id === undefined ? '-' : id === pass.info.id ? 'pass' : id === drop.info.id ? 'drop' : '?')).join(' ');
      };
      const code = (f: () => unknown): string => {
        try {
          return String(f());
        } catch (error) {
          return (error as InstanceType<typeof bpf.LibbpfError>).code;
        }
      };
      const steps: unknown[] = [attached()];
      const link = bpf.attachXdp({ ...target, program: pass, mode });
      steps.push(attached(), link.info.kind, link.info.ifindex, link.info.programId === pass.info.id);
      steps.push(code(() => bpf.attachXdp({ ...target, program: drop, mode })), code(() => bpf.attachXdp({ ...target, program: drop, mode: other })));
      link.update(drop);
      steps.push(attached());
      link.pin(`${pins}/link`);
      link.close();
      const again = bpf.openPinnedLink(`${pins}/link`);
      steps.push(attached(), again.info.programId === drop.info.id);
      again.detach();
      steps.push(attached(), again.info.ifindex, again.unpin(`${pins}/link`));
      const held = bpf.attachXdp({ ...target, program: pass, mode });
      held.close();
      steps.push(attached(), code(() => bpf.attachXdp({ ifindex: 4711, program: pass, mode })), code(() => bpf.queryXdp({ ifindex: 4711 })));
      return steps;
    }, { path: compile('xdp'), pins, mode });
    const there = (program: string): string => (mode === 'native' ? `${program} - -` : `- ${program} -`);
    expect(result.slice(0, 5)).toEqual(['- - -', there('pass'), 'xdp', 100, true]);
    expect(['EBUSY', 'EEXIST']).toContain(result[5]);
    expect(['EBUSY', 'EEXIST']).toContain(result[6]);
    expect(result.slice(7, -2)).toEqual([there('drop'), there('drop'), true, '- - -', 0, true, '- - -']);
    expect(['ENODEV', 'EINVAL']).toContain(result.at(-2));
    expect(result.at(-1)).toBe('ENODEV');
  });

  test('a device without native XDP says so; generic works on it', () => {
    const name = namespace(onTestFinished);
    const result = inNamespace(name, (bpf, path) => {
      const program = bpf.openObject(path).loadSync().program('pass');
      const attach = (mode: 'native' | 'generic'): string => {
        try {
          return bpf.attachXdp({ ifindex: 1, program, mode }).info.kind;
        } catch (error) {
          return (error as Error).message;
        }
      };
      return [attach('native'), attach('generic')];
    }, compile('xdp'));
    expect(result).toEqual([expect.stringMatching(/^attaching an XDP program to device 1 \(native\): the driver of the device has no native XDP.*generic works on any \(EOPNOTSUPP\)$/), 'xdp']);
  });

  test.each(['native', 'generic'] as const)('%s: packets meet the program', (mode) => {
    const name = namespace(onTestFinished);
    const ip = (...args: string[]): string => execFileSync('nsenter', [`--net=${name}`, 'ip', ...args], { encoding: 'utf8' });
    execFileSync('nsenter', [`--net=${name}`, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'v0');
    ip('neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'v0', 'nud', 'permanent');
    const passed = inNamespace(name, async (bpf, { path, mode }) => {
      const object = bpf.openObject(path).loadSync();
      const link = bpf.attachXdp({ ifindex: 101, program: object.program('pass'), mode });
      const count = (): number => Number(new BigUint64Array((object.map('.bss').lookup(new Uint8Array(4)) ?? new Uint8Array(0)).slice(object.variables.get('passed')?.offset).buffer)[0]);
      const socket = process.getBuiltinModule('node:dgram').createSocket('udp4');
      const send = async (packets: number): Promise<void> => {
        for (let i = 0; i < packets; i++) await new Promise((resolve) => socket.send('x', 9, '192.0.2.2', resolve));
      };
      const before = count();
      await send(20);
      for (let tries = 0; count() < before + 20 && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
      const first = count();
      link.update(object.program('drop'));
      await send(20);
      socket.close();
      return [before, first, count()];
    }, { path: compile('xdp'), mode });
    expect(passed).toEqual([0, 20, 20]);
  });

  test('misuse names the argument', () => {
    using object = load();
    const program = object.program('pass');
    using tc = openObject(compile('maps')).loadSync();
    expect(() => attachXdp({ ifindex: 0, program, mode: 'native' })).toThrow(/^attachment.ifindex: 0/);
    expect(() => attachXdp({ ifindex: 1, program, mode: 'fast' as never })).toThrow(/^attachment.mode: expected 'native' \| 'generic'/);
    expect(() => attachXdp({ ifindex: 1, program: tc.program('count'), mode: 'native' })).toThrow(/^attachment.program: expected a program of type xdp, got one of type sched_cls/);
  });
});

describe('test runs with a context', () => {
  const packet = new Uint8Array(64).map((_, i) => i);

  test('metadata goes in and out', () => {
    using object = load();
    const program = object.program('inspect');
    const plain = program.testRun({ data: packet, ctx: xdpContext({ size: 64 }) });
    expect(plain.retval).toBe(3);
    expect(readXdpContext(plain.ctxOut)).toEqual({ metadata: 8, size: 72, ingressIfindex: 0, rxQueue: 0 });
    expect(plain.dataOut).toEqual(Uint8Array.from([...u32(0x11111111, 1), ...packet]));
    const data = Uint8Array.from([...u32(41), ...packet]);
    const run = program.testRun({ data, ctx: xdpContext({ size: data.length, metadata: 4 }) });
    expect(readXdpContext(run.ctxOut)).toMatchObject({ metadata: 8, size: 72 });
    expect(run.dataOut).toEqual(Uint8Array.from([...u32(0x11111111, 42), ...packet]));
  });

  test('devices of the own network namespace can be named', () => {
    const name = namespace(onTestFinished);
    const result = inNamespace(name, (bpf, path) => {
      const object = bpf.openObject(path).loadSync();
      const data = new Uint8Array(64);
      const run = (ingressIfindex: number): unknown => {
        try {
          return bpf.readXdpContext(object.program('inspect').testRun({ data, ctx: bpf.xdpContext({ size: 64, ingressIfindex }) }).ctxOut).ingressIfindex;
        } catch (error) {
          return (error as InstanceType<typeof bpf.LibbpfError>).code;
        }
      };
      const results = [run(101), run(4711)];
      const seen = new DataView((object.map('.bss').lookup(new Uint8Array(4)) ?? new Uint8Array(0)).buffer).getUint32(object.variables.get('seen_ifindex')?.offset ?? 0, true);
      return [...results, seen];
    }, compile('xdp'));
    expect(result[0]).toBe(101);
    expect(['ENODEV', 'EINVAL']).toContain(result[1]);
    expect(result[2]).toBe(101);
  });

  test('many times', () => {
    using object = load();
    const run = object.program('pass').testRun({ data: packet, ctx: xdpContext({ size: 64 }), repeat: 10_000 });
    expect(run).toMatchObject({ retval: 2, dataOut: packet });
    const view = object.map('.bss').lookup(u32(0)) ?? new Uint8Array(0);
    expect(toU32(view.subarray(object.variables.get('passed')?.offset))).toBe(10_000);
  });

  test('what the kernel would only call invalid is named', () => {
    expect(() => xdpContext({ size: 64, metadata: 6 })).toThrow('metadata: 6 is not a multiple of 4');
    expect(() => xdpContext({ size: 64, metadata: 256 })).toThrow(RangeError);
    expect(() => xdpContext({ size: 2, metadata: 4 })).toThrow('metadata: 4 bytes do not fit into 2');
    expect(() => xdpContext({ size: -1 })).toThrow(/^size/);
    expect(() => xdpContext({ size: 1 }, new Uint8Array(8))).toThrow(/^into: expected at least 24 bytes/);
    expect(() => readXdpContext(new Uint8Array(XDP_CONTEXT_SIZE - 1))).toThrow(/^ctx/);
    using object = load();
    expect(() => object.program('pass').testRun({ data: packet, ctx: xdpContext({ size: 65 }) })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
