import { statSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { attachNetns, ensureBpffs, openObject, openPinnedLink, queryNetns, type BpfObject } from '../src/index.ts';
import { compile } from './compile.ts';
import { folder, inNamespace, namespace } from './sandbox.ts';

const load = (): BpfObject => openObject(compile('sockets')).loadSync();

describe('links to a network namespace', () => {
  test('attach, tell what they are, update, pin and detach', () => {
    const name = namespace(onTestFinished);
    const pins = folder(onTestFinished);
    ensureBpffs(pins);
    using object = load();
    const [steer, drop] = [object.program('steer'), object.program('drop_all')];
    const target = { type: 'sk_lookup', netns: name } as const;
    expect(queryNetns(target)).toEqual([]);
    const link = attachNetns({ ...target, program: steer });
    using second = attachNetns({ ...target, program: drop });
    expect(queryNetns(target)).toEqual([steer.info.id, drop.info.id]);
    expect(link.info).toMatchObject({ kind: 'netns', programId: steer.info.id, attachType: 36, netnsInode: statSync(name).ino, cgroupId: undefined });
    second.close();
    link.update(drop, { expected: steer });
    expect(queryNetns(target)).toEqual([drop.info.id]);
    link.pin(`${pins}/link`);
    link.close();
    using again = openPinnedLink(`${pins}/link`);
    expect(queryNetns(target)).toEqual([drop.info.id]);
    again.detach();
    expect(queryNetns(target)).toEqual([]);
    expect(again.info.netnsInode).toBe(0);
  });

  test('what cannot be is said', () => {
    const name = namespace(onTestFinished);
    using object = load();
    const program = object.program('steer');
    expect(() => attachNetns({ type: 'sk_lookup', program, netns: '/nonexistent' })).toThrow(expect.objectContaining({ code: 'ENOENT', path: '/nonexistent' }));
    expect(() => attachNetns({ type: 'sk_lookup', program, netns: '/proc/version' })).toThrow(/^attaching a program to network namespace \/proc\/version \(sk_lookup\): not a network namespace \(EINVAL\)/);
    expect(() => attachNetns({ type: 'sk_lookup', program: object.program('connect4'), netns: name })).toThrow(/^attachment.program: sk_lookup takes programs of type sk_lookup/);
    expect(() => attachNetns({ type: 'sk_assign' as never, program, netns: name })).toThrow(/^attachment.type/);
    expect(() => queryNetns({ type: 'sk_lookup', netns: '/nonexistent' })).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

test('sk_lookup: one TCP and one UDP socket, in a sockmap, serve every port of an address that nobody has', () => {
  const name = namespace(onTestFinished);
  const result = inNamespace(name, async (bpf, path) => {
    const net = process.getBuiltinModule('node:net');
    const dgram = process.getBuiltinModule('node:dgram');
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    execFileSync('ip', ['route', 'add', 'local', '192.0.2.0/24', 'dev', 'lo']);
    const object = bpf.openObject(path).loadSync();
    const link = bpf.attachNetns({ type: 'sk_lookup', program: object.program('steer') });
    const server = net.createServer((socket) => socket.end(`port ${socket.localPort} of ${socket.localAddress}`));
    await new Promise<void>((resolve) => void server.listen(4000, '127.0.0.1', resolve));
    const datagrams = dgram.createSocket('udp4');
    const received = new Promise<string>((resolve) => datagrams.once('message', (message) => resolve(String(message))));
    await new Promise<void>((resolve) => void datagrams.bind(4001, '127.0.0.1', resolve));
    const ask = (port: number): Promise<string> => new Promise((resolve) => {
      let text = '';
      net.connect(port, '192.0.2.1').on('data', (data) => (text += String(data))).on('error', (error) => resolve(String((error as NodeJS.ErrnoException).code))).on('close', () => resolve(text));
    });
    const refused = await ask(7);
    // Node keeps descriptors to itself but for this.
    const descriptor = (handle: unknown): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt((handle as { _handle: { fd: number } })._handle.fd)).buffer);
    const sockets = object.map('sockets');
    sockets.update(new Uint8Array(Uint32Array.of(0).buffer), descriptor(server));
    sockets.update(new Uint8Array(Uint32Array.of(1).buffer), descriptor(datagrams));
    const answers = [await ask(7), await ask(65535)];
    const client = dgram.createSocket('udp4');
    client.send('hello', 53, '192.0.2.1');
    const datagram = await received;
    link.update(object.program('drop_all'), { expected: object.program('steer') });
    const dropped = await ask(7);
    link.close();
    const after = await ask(7);
    for (const it of [server, datagrams, client]) it.close();
    return { refused, answers, datagram, dropped, after };
  }, compile('sockets'));
  expect(result).toEqual({ refused: 'ECONNREFUSED', answers: ['port 7 of 192.0.2.1', 'port 65535 of 192.0.2.1'], datagram: 'hello', dropped: 'ECONNREFUSED', after: 'ECONNREFUSED' });
});
