import { execFileSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { attachTc, attachTcx, openObject, probe, queryTc } from '../src/index.ts';
import { compile } from './compile.ts';
import { folder, inNamespace, namespace } from './sandbox.ts';

const bpftoolNet = (name: string): string => execFileSync('nsenter', [`--net=${name}`, 'bpftool', 'net'], { encoding: 'utf8' });

describe('tc by clsact', () => {
  test('attaches, replaces atomically, queries and detaches', () => {
    const name = namespace(onTestFinished);
    const result = inNamespace(name, (bpf, path) => {
      const object = bpf.openObject(path).loadSync();
      const [count, other] = [object.program('count'), object.program('other')];
      const slot = { ifindex: 100, direction: 'ingress' } as const;
      const steps: unknown[] = [];
      const code = (f: () => unknown): unknown => {
        try {
          return f();
        } catch (error) {
          return (error as InstanceType<typeof bpf.LibbpfError>).code;
        }
      };
      steps.push(bpf.queryTc(slot), bpf.detachTc(slot), bpf.destroyClsact(100));
      steps.push(code(() => bpf.attachTc({ ...slot, program: count })));
      steps.push(bpf.createClsact(100), bpf.createClsact(100));
      const first = bpf.attachTc({ ...slot, program: count, handle: 7, priority: 3 });
      steps.push(first.programId === count.info.id, first.handle, first.priority);
      steps.push(code(() => bpf.attachTc({ ...slot, program: other, handle: 7, priority: 3 })));
      const second = bpf.attachTc({ ...slot, program: other, handle: 7, priority: 3, replace: true });
      steps.push(second.programId === other.info.id, bpf.queryTc({ ...slot, handle: 7, priority: 3 })?.programId === other.info.id);
      bpf.attachTc({ ...slot, direction: 'egress', program: count });
      steps.push(bpf.queryTc({ ...slot, direction: 'egress' })?.programId === count.info.id);
      steps.push(bpf.detachTc({ ...slot, handle: 7, priority: 3 }), bpf.detachTc({ ...slot, handle: 7, priority: 3 }), bpf.queryTc({ ...slot, handle: 7, priority: 3 }) ?? 'gone');
      object.close();
      steps.push(bpf.queryTc({ ...slot, direction: 'egress' })?.priority, bpf.destroyClsact(100), bpf.queryTc({ ...slot, direction: 'egress' }) ?? 'gone');
      steps.push(code(() => bpf.createClsact(4711)));
      return steps.map((step) => step ?? 'nothing');
    }, compile('maps'));
    expect(result.slice(0, 3)).toEqual(['nothing', false, false]);
    expect(['ENOENT', 'EINVAL']).toContain(result[3]);
    expect(result.slice(4)).toEqual([true, false, true, 7, 3, 'EEXIST', true, true, true, true, false, 'gone', 1, true, 'gone', 'ENODEV']);
  });

  test('a filter sees packets, and outlives the process', () => {
    const name = namespace(onTestFinished);
    inNamespace(name, (bpf, path) => {
      const object = bpf.openObject(path).loadSync();
      bpf.createClsact(101);
      bpf.attachTc({ ifindex: 101, direction: 'ingress', program: object.program('other') });
    }, compile('maps'));
    expect(bpftoolNet(name)).toMatch(/v1\(101\) clsact\/ingress other/);
  });

  test('replacing under traffic: every packet meets exactly one program', () => {
    const name = namespace(onTestFinished);
    const ip = (...args: string[]): string => execFileSync('nsenter', [`--net=${name}`, 'ip', ...args], { encoding: 'utf8' });
    // Only the test's own packets: no IPv6 chatter, no ARP.
    execFileSync('nsenter', [`--net=${name}`, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'v0');
    ip('neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'v0', 'nud', 'permanent');
    const result = inNamespace(name, async (bpf, path) => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const objects = [1, 2].map(() => bpf.openObject(path).loadSync());
      const programs = objects.map((object) => object.program('count'));
      const [first, second] = programs;
      if (first === undefined || second === undefined) throw new Error('unreachable');
      const slot = { ifindex: 101, direction: 'ingress' } as const;
      bpf.createClsact(101);
      bpf.attachTc({ ...slot, program: first });
      const sender = new Worker(`
        import('node:dgram').then(({ createSocket }) => {
          const socket = createSocket('udp4');
          let left = 20000;
          const next = () => (left-- > 0 ? socket.send('x', 9, '192.0.2.2', next) : socket.close());
          next();
        });`, { eval: true });
      let running = true;
      const done = new Promise<void>((resolve) => sender.on('exit', () => resolve(void (running = false))));
      let replaced = 0;
      while (running) {
        for (let i = 0; i < 20; i++, replaced++) bpf.attachTc({ ...slot, program: replaced % 2 ? first : second, replace: true });
        await new Promise((resolve) => setImmediate(resolve));
      }
      await done;
      const total = (object: (typeof objects)[number]): number =>
        bpf.splitPerCpu(object.map('counters').lookup(new Uint8Array(4)) ?? new Uint8Array(0), 4).reduce((sum, value) => sum + new DataView(value.buffer, value.byteOffset).getUint32(0, true), 0);
      return { replaced, seen: objects.map(total) };
    }, compile('maps'));
    expect(result.replaced).toBeGreaterThan(20);
    expect(result.seen.reduce((a, b) => a + b)).toBe(20_000);
    expect(Math.min(...result.seen)).toBeGreaterThan(0);
  });

  test('misuse names the argument', async () => {
    using object = await openObject(compile('maps')).load();
    const program = object.program('count');
    expect(() => attachTc({ ifindex: 0, direction: 'ingress', program })).toThrow('ifindex');
    expect(() => attachTc({ ifindex: 1, direction: 'sideways' as never, program })).toThrow('direction');
    expect(() => queryTc({ ifindex: 1, direction: 'ingress', priority: 0 })).toThrow('priority');
    expect(() => attachTcx({ ifindex: 1.5, direction: 'ingress', program })).toThrow(TypeError);
  });
});

describe.runIf(probe({ kind: 'tcx' }).supported)('tcx links', () => {
  test('attach, update atomically, order, pin and detach', () => {
    const name = namespace(onTestFinished);
    const pins = folder(onTestFinished);
    const result = inNamespace(name, (bpf, { path, pins }) => {
      bpf.ensureBpffs(pins);
      const object = bpf.openObject(path).loadSync();
      const [count, other] = [object.program('count'), object.program('other')];
      const target = { ifindex: 100, direction: 'egress' } as const;
      const chain = (): number[] => bpf.queryTcx(target).programs.map((p) => p.programId);
      const names = (): string[] => chain().map((id) => (id === count.info.id ? 'count' : id === other.info.id ? 'other' : '?'));
      const steps: unknown[] = [names()];
      const link = bpf.attachTcx({ ...target, program: count });
      steps.push(names(), link.info.programId === count.info.id, link.info.ifindex, link.info.direction);
      link.update(other);
      steps.push(names(), link.info.programId === other.info.id);
      const before = bpf.attachTcx({ ...target, program: count, position: 'first' });
      steps.push(names());
      before.close();
      steps.push(names());
      link.pin(`${pins}/link`);
      link.close();
      const again = bpf.openPinnedLink(`${pins}/link`);
      steps.push(names(), bpf.openLinkById(again.info.id).info.programId === other.info.id);
      again.detach();
      steps.push(names(), again.info.ifindex, again.unpin(`${pins}/link`));
      let code = '';
      try {
        bpf.attachTcx({ ifindex: 4711, direction: 'ingress', program: count });
      } catch (error) {
        code = (error as InstanceType<typeof bpf.LibbpfError>).code;
      }
      steps.push(code);
      return steps;
    }, { path: compile('maps'), pins });
    expect(result).toEqual([[], ['count'], true, 100, 'egress', ['other'], true, ['count', 'other'], ['other'], ['other'], true, [], 0, true, 'ENODEV']);
  });

  test('a pinned link outlives its process; a link that is only held does not', () => {
    const name = namespace(onTestFinished);
    const pins = folder(onTestFinished);
    inNamespace(name, (bpf, { path, pins }) => {
      bpf.ensureBpffs(pins);
      const object = bpf.openObject(path).loadSync();
      bpf.attachTcx({ ifindex: 100, direction: 'ingress', program: object.program('count') }).pin(`${pins}/link`);
      bpf.attachTcx({ ifindex: 101, direction: 'ingress', program: object.program('count') });
    }, { path: compile('maps'), pins });
    const counts = inNamespace(name, (bpf) => [100, 101].map((ifindex) => bpf.queryTcx({ ifindex, direction: 'ingress' }).programs.length), null);
    expect(counts).toEqual([1, 0]);
  });
});
