import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type * as Bpf from '../src/index.ts';
import { attachCgroup, cgroupAttachTypes, openLinkById, openObject, openPinnedLink, ensureBpffs, queryCgroup, type BpfObject } from '../src/index.ts';
import { compile } from './compile.ts';
import { cgroup, folder, inChild, namespace, within } from './sandbox.ts';

const load = (port = 4000): BpfObject => openObject(compile('sockets')).setConfig('backend_port', port).loadSync();
const connect4 = (group: string, effective = false) => queryCgroup({ cgroup: group, type: 'connect4', effective });

describe('links to a cgroup', () => {
  test('attach, tell what they are, update, and end with their handle', () => {
    const group = cgroup(onTestFinished);
    using object = load();
    const [first, second] = [object.program('connect4'), object.program('second4')];
    expect(connect4(group)).toEqual({ programIds: [], mode: undefined });
    using link = attachCgroup({ cgroup: group, type: 'connect4', program: first });
    expect(connect4(group)).toEqual({ programIds: [first.info.id], mode: 'multi' });
    expect(link.info).toMatchObject({ kind: 'cgroup', type: 3, programId: first.info.id, cgroupId: statSync(group, { bigint: true }).ino, attachType: 10, ifindex: 0, netnsInode: undefined });
    using other = attachCgroup({ cgroup: group, type: 'connect4', program: second });
    expect(connect4(group).programIds).toEqual([first.info.id, second.info.id]);
    other.close();
    link.update(second, { expected: first });
    expect(connect4(group).programIds).toEqual([second.info.id]);
    expect(() => link.update(first, { expected: first })).toThrow(expect.objectContaining({ code: 'EPERM' }));
    link.close();
    expect(connect4(group).programIds).toEqual([]);
  });

  test('groups below inherit, and say so when asked for what is effective', () => {
    const group = cgroup(onTestFinished);
    const inner = `${group}/inner`;
    mkdirSync(inner);
    onTestFinished(() => rmdirSync(inner));
    using object = load();
    const [first, second] = [object.program('connect4'), object.program('second4')];
    using above = attachCgroup({ cgroup: group, type: 'connect4', program: first });
    using below = attachCgroup({ cgroup: inner, type: 'connect4', program: second });
    expect(above.info.cgroupId).not.toBe(below.info.cgroupId);
    expect(connect4(inner).programIds).toEqual([second.info.id]);
    expect([...connect4(inner, true).programIds].sort()).toEqual([first.info.id, second.info.id].sort());
    expect(connect4(group, true)).toEqual({ programIds: [first.info.id], mode: undefined });
  });

  test('pinned, a link outlives its handle; detached, it is of nothing', () => {
    const group = cgroup(onTestFinished);
    const pins = folder(onTestFinished);
    ensureBpffs(pins);
    using object = load();
    const program = object.program('getpeername4');
    const target = { cgroup: group, type: 'getpeername4' } as const;
    const link = attachCgroup({ ...target, program });
    link.pin(`${pins}/link`);
    link.close();
    expect(queryCgroup(target).programIds).toEqual([program.info.id]);
    using again = openPinnedLink(`${pins}/link`);
    using same = openLinkById(again.info.id);
    expect(same.info).toEqual(again.info);
    again.detach();
    expect(queryCgroup(target).programIds).toEqual([]);
    expect(same.info.cgroupId).toBe(0n);
    expect(again.unpin(`${pins}/link`)).toBe(true);
    expect(() => again.update(program)).toThrow(expect.objectContaining({ code: 'ENOLINK' }));
  });

  test('a group that is removed takes the attachment with it', () => {
    const group = cgroup(() => undefined);
    using object = load();
    using link = attachCgroup({ cgroup: group, type: 'sock_create', program: object.program('sock_create') });
    rmdirSync(group);
    expect(() => connect4(group)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    // The kernel lets go of a dead group in its own time.
    for (let tries = 0; link.info.cgroupId !== 0n && tries < 1000; tries++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    expect(link.info.cgroupId).toBe(0n);
  });

  test('every type is known by the kernel that has it', () => {
    const group = cgroup(onTestFinished);
    const known = cgroupAttachTypes.filter((type) => !type.endsWith('_unix'));
    expect(known.map((type) => queryCgroup({ cgroup: group, type }).programIds)).toEqual(known.map(() => []));
  });
});

describe('what cannot be', () => {
  test('a folder that is no cgroup2 is named, with the remedy', () => {
    using object = load();
    const program = object.program('connect4');
    const attach = (path: string) => () => attachCgroup({ cgroup: path, type: 'connect4', program });
    expect(attach('/proc')).toThrow(expect.objectContaining({ code: 'NOT_CGROUP2', path: '/proc', message: expect.stringMatching(/^attaching a program to cgroup \/proc \(connect4\): it is no cgroup .*mount -t cgroup2/) as string }));
    expect(attach('/nonexistent')).toThrow(expect.objectContaining({ code: 'ENOENT', message: expect.stringContaining('there is no such folder') as string }));
    expect(() => connect4('/tmp')).toThrow(expect.objectContaining({ code: 'NOT_CGROUP2' }));
  });

  test('a program of another type, or for another hook, is refused', () => {
    const group = cgroup(onTestFinished);
    using object = load();
    using tc = openObject(compile('maps')).loadSync();
    const attach = (type: never, program: never) => () => attachCgroup({ cgroup: group, type, program });
    expect(attach('connect4' as never, tc.program('count') as never)).toThrow(/^attachment.program: connect4 takes programs of type cgroup_sock_addr \(section "cgroup\/connect4"\), got one of type sched_cls/);
    expect(attach('connect6' as never, object.program('connect4') as never)).toThrow(expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('its section must be "cgroup/connect6"') as string }));
    expect(attach('connect5' as never, object.program('connect4') as never)).toThrow(/^attachment.type: expected/);
    expect(() => attachCgroup({ cgroup: '', type: 'connect4', program: object.program('connect4') })).toThrow('attachment.cgroup');
  });

  test('a 65th program does not fit', () => {
    const group = cgroup(onTestFinished);
    using object = load();
    const program = object.program('second4');
    const links = Array.from({ length: 64 }, () => attachCgroup({ cgroup: group, type: 'connect4', program }));
    expect(() => attachCgroup({ cgroup: group, type: 'connect4', program })).toThrow(expect.objectContaining({ code: 'E2BIG', message: expect.stringContaining('64 programs') as string }));
    expect(connect4(group).programIds).toHaveLength(64);
    for (const link of links) link.close();
  });
});

describe('real sockets', () => {
  test('TCP and UDP of the group are translated, v4 and v6, both ways, and those of others are not', () => {
    const [name, group] = [namespace(onTestFinished), cgroup(onTestFinished)];
    const result = inChild(within(name, group), async (bpf, { path, group }) => {
      const net = process.getBuiltinModule('node:net');
      const dgram = process.getBuiltinModule('node:dgram');
      const server = net.createServer((socket) => socket.end('hello'));
      await new Promise<void>((resolve) => void server.listen(4000, '::', resolve));
      const echo = dgram.createSocket('udp4', (message, from) => void echo.send(message, from.port, from.address));
      await new Promise<void>((resolve) => void echo.bind(4000, '127.0.0.1', resolve));
      const object = bpf.openObject(path).setConfig('backend_port', 4000).loadSync();
      for (const type of ['connect4', 'connect6', 'sendmsg4', 'recvmsg4', 'getpeername4'] as const) bpf.attachCgroup({ cgroup: group, type, program: object.program(type) });
      const ask = (host: string): Promise<{ text: string; peer: string }> => new Promise((resolve, reject) => {
        const socket = net.connect(80, host);
        let text = '', peer = '';
        socket.on('connect', () => (peer = `${socket.remoteAddress} ${socket.remotePort}`)).on('data', (data) => (text += String(data)));
        socket.on('error', reject).on('close', () => resolve({ text, peer }));
      });
      const tcp4 = await ask('192.0.2.1');
      const tcp6 = (await ask('2001:db8::1')).text;
      const socket = dgram.createSocket('udp4');
      const udp = await new Promise<string>((resolve) => {
        socket.on('message', (message, from) => resolve(`${String(message)} ${from.address} ${from.port}`));
        socket.send('ping', 80, '192.0.2.1');
      });
      for (const it of [server, echo, socket]) it.close();
      const calls = object.map('.bss').lookup(new Uint8Array(4)) ?? new Uint8Array(0);
      return { tcp4, tcp6, udp, calls: [...new BigUint64Array(calls.slice(0, 32).buffer)].map(Number) };
    }, { path: compile('sockets'), group });
    expect(result).toMatchObject({ tcp4: { text: 'hello', peer: '192.0.2.1 80' }, tcp6: 'hello', udp: 'ping 192.0.2.1 80' });
    expect(result.calls.slice(0, 2)).toEqual([2, 1]);
    expect(result.calls[2]).toBeGreaterThanOrEqual(1);
    expect(result.calls[3]).toBeGreaterThanOrEqual(1);
  });

  test('a refusal has the error number that the program chose; a port may be forbidden; others are left alone', () => {
    const [name, group] = [namespace(onTestFinished), cgroup(onTestFinished)];
    const body = async (bpf: typeof Bpf, { path, group, attach }: { path: string; group: string; attach: boolean }) => {
      const net = process.getBuiltinModule('node:net');
      const object = bpf.openObject(path).loadSync();
      if (attach) {
        bpf.attachCgroup({ cgroup: group, type: 'connect4', program: object.program('refuse4') });
        bpf.attachCgroup({ cgroup: group, type: 'post_bind4', program: object.program('post_bind4') });
      }
      const codeOf = (error: Error): string => String((error as NodeJS.ErrnoException).code);
      const connect = await new Promise<string>((resolve) => void net.connect(80, '192.0.2.1').on('error', (error) => resolve(codeOf(error))));
      const bind = (port: number) => new Promise<string>((resolve) => {
        const server = net.createServer().on('error', (error) => resolve(codeOf(error)));
        server.listen(port, '127.0.0.1', () => server.close(() => resolve('bound')));
      });
      return [connect, await bind(30080), await bind(30081)];
    };
    const options = { path: compile('sockets'), group, attach: true };
    // Without a route the kernel says ENETUNREACH.
    expect(inChild(within(name, group), body, options)).toEqual(['EHOSTUNREACH', 'EPERM', 'bound']);
    expect(inChild(within(name, group), body, { ...options, attach: false })).toEqual(['ENETUNREACH', 'bound', 'bound']);
    expect(inChild(within(name, cgroup(onTestFinished)), body, options)).toEqual(['ENETUNREACH', 'bound', 'bound']);
  });
});
