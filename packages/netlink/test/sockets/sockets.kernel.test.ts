import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { openSocketDiagnostics } from '../../src/index.ts';
import type { InetSocket, Namespace, SocketDiagnostics, SocketFilter } from '../../src/index.ts';
import { createScratch, ip } from '../helpers.ts';
import type { Scratch } from '../helpers.ts';

let scratch: Scratch;
let node: Namespace;
let diagnostics: SocketDiagnostics;
const undo: (() => void)[] = [];

beforeEach(async () => {
  scratch = createScratch();
  node = scratch.namespace('node');
  await scratch.netlink(node).setLink('lo', { up: true });
  diagnostics = openSocketDiagnostics({ netns: node });
});
afterEach(async () => {
  diagnostics.close();
  undo.splice(0).reverse().forEach((step) => step());
  scratch.close();
});

/** A process in the namespace with sockets of its own; each line that it prints is one event. */
const program = (body: string): { next(): Promise<string> } => {
  const prelude = `import net from 'node:net'; import dgram from 'node:dgram'; const say = (...what) => process.stdout.write(what.join(' ') + '\\n');`;
  const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '--input-type=module', '-e', `${prelude}${body}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  undo.push(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { next: async () => String((await lines.next()).value) };
};

// A dual-stack server on port 4000 and a client of each address; whatever befalls a client is said.
const TCP = `
  const server = net.createServer((socket) => socket.on('error', (error) => say('server', error.code)));
  server.listen(4000, '::', () => {
    let left = 3;
    for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      const socket = net.connect(4000, host, () => --left === 0 && say('ready'));
      socket.on('error', (error) => say(host, error.code)).on('end', () => say(host, 'end'));
    }
  });`;
const UDP = `
  const sockets = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].map((host) => {
    const socket = dgram.createSocket(host === '127.0.0.1' ? 'udp4' : 'udp6');
    socket.on('error', (error) => say(host, error.code)).on('message', (message, from) => say('message', message, from.port));
    return new Promise((resolve) => socket.connect(5353, host, resolve));
  });
  const open = dgram.createSocket('udp6').on('error', (error) => say('open', error.code));
  open.bind(5353, '::', () => Promise.all(sockets).then(() => say('ready')));`;

const clients = async (filter: SocketFilter): Promise<InetSocket[]> =>
  [...(await diagnostics.list(filter))].sort((a, b) => a.family - b.family || a.destination.address.family - b.destination.address.family);
const ends = ({ family, destination }: InetSocket): string => `${family} ${destination.address.text} ${destination.port}`;

it.each([['tcp', TCP, 4000], ['udp', UDP, 5353]] as const)('%s: lists by state and destination, v4, v6 and v4 by v6', async (protocol, body, port) => {
  expect(await program(body).next()).toBe('ready');
  const connected = { protocol, states: ['established'] } as const;
  const all = await clients({ ...connected, destination: { port } });
  expect(all.map(ends)).toEqual([`4 127.0.0.1 ${port}`, `6 127.0.0.1 ${port}`, `6 ::1 ${port}`]);
  for (const socket of all) expect(socket).toMatchObject({ protocol, state: 'established', link: undefined, uid: 0, receiveQueue: 0, sendQueue: 0 });
  expect(new Set(all.map((socket) => socket.cookie)).size).toBe(3);
  expect(all.every((socket) => socket.cookie > 0n && socket.inode > 0)).toBe(true);
  const wanted = async (filter: Omit<SocketFilter, 'protocol'>): Promise<string[]> => (await clients({ ...connected, ...filter })).map(ends);
  expect(await wanted({ destination: { address: ip('127.0.0.1'), port } })).toEqual([`4 127.0.0.1 ${port}`, `6 127.0.0.1 ${port}`]);
  expect(await wanted({ destination: { address: ip('127.0.0.1'), port }, family: 4 })).toEqual([`4 127.0.0.1 ${port}`]);
  expect(await wanted({ destination: { address: ip('::1'), port } })).toEqual([`6 ::1 ${port}`]);
  expect(await wanted({ destination: { address: ip('127.9.9.9'), prefixLength: 8, port }, source: { address: ip('127.0.0.1') } })).toHaveLength(2);
  expect(await wanted({ destination: { address: ip('127.0.0.1'), port: port + 1 } })).toEqual([]);
  expect(await wanted({ destination: { port }, source: { address: ip('192.0.2.1') } })).toEqual([]);
  expect(await wanted({ destination: { port }, states: ['listen', 'time-wait'] })).toEqual([]);
  const passive = await diagnostics.list({ protocol, states: [protocol === 'tcp' ? 'listen' : 'close'], source: { port } });
  expect(passive).toMatchObject([{ family: 6, source: { port }, destination: { port: 0 } }]);
});

it('tcp: what is destroyed fails with ECONNABORTED, and only that', async () => {
  const child = program(TCP);
  expect(await child.next()).toBe('ready');
  const all = await clients({ protocol: 'tcp', states: ['established'], destination: { port: 4000 } });
  for (const [i, host] of (['127.0.0.1', '::ffff:127.0.0.1', '::1'] as const).entries()) {
    const socket = all[i]!;
    // The cookie keeps from harm whoever has the same ends by now.
    expect(await diagnostics.destroy({ ...socket, cookie: socket.cookie + 1_000_000n })).toBe(false);
    expect(await diagnostics.destroy(socket)).toBe(true);
    expect([await child.next(), await child.next()].sort()).toEqual([`${host} ECONNABORTED`, 'server ECONNRESET'].sort());
    expect(await diagnostics.destroy(socket)).toBe(false);
    expect((await clients({ protocol: 'tcp', states: ['established'], destination: { port: 4000 } })).map((left) => left.cookie)).toEqual(all.slice(i + 1).map((left) => left.cookie));
  }
});

it('udp: what is destroyed fails with ECONNABORTED, connected or not', async () => {
  const child = program(UDP);
  expect(await child.next()).toBe('ready');
  const all = await clients({ protocol: 'udp', states: ['established'], destination: { port: 5353 } });
  for (const [i, host] of (['127.0.0.1', '::ffff:127.0.0.1', '::1'] as const).entries()) {
    expect(await diagnostics.destroy(all[i]!)).toBe(true);
    expect(await child.next()).toBe(`${host} ECONNABORTED`);
    expect(await diagnostics.destroy(all[i]!)).toBe(false);
  }
  const [open] = await diagnostics.list({ protocol: 'udp', states: ['close'], source: { port: 5353 } });
  expect(await diagnostics.destroy(open!)).toBe(true);
  expect(await child.next()).toBe('open ECONNABORTED');
});

it('a cgroup is named by its inode', async () => {
  expect(await program(TCP).next()).toBe('ready');
  const [socket] = await diagnostics.list({ protocol: 'tcp', states: ['listen'] });
  const own = readFileSync('/proc/self/cgroup', 'utf8');
  const mount = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
  expect(mount).toBeDefined();
  expect(socket?.cgroupId).toBe(statSync(`${mount}${/^0::(.*)$/m.exec(own)?.[1]}`, { bigint: true }).ino);
});

it('sees its own namespace only, and thousands of sockets', async () => {
  const other = openSocketDiagnostics({ netns: scratch.namespace('other') });
  undo.push(() => other.close());
  const child = program(`
    const server = net.createServer((socket) => socket.on('error', () => undefined));
    server.listen(4000, '127.0.0.1', () => {
      let left = 2000;
      for (let i = 0; i < 2000; i++) net.connect(4000, '127.0.0.1', () => --left === 0 && say('ready')).on('error', () => undefined);
    });`);
  expect(await child.next()).toBe('ready');
  const filter = { protocol: 'tcp', states: ['established'], destination: { address: ip('127.0.0.1'), port: 4000 } } as const;
  const all = await diagnostics.list(filter);
  expect(all).toHaveLength(2000);
  expect(await other.list(filter)).toEqual([]);
  expect(await other.destroy(all[0]!)).toBe(false);
  const ended = await Promise.all(all.slice(0, 500).map((socket) => diagnostics.destroy(socket)));
  expect(ended.every((yes) => yes)).toBe(true);
  expect(await diagnostics.list(filter)).toHaveLength(1500);
});

it('opens by path, refuses what is none, and says when it is closed', async () => {
  const byPath = openSocketDiagnostics({ netns: node.path });
  expect(await byPath.list({ protocol: 'tcp' })).toEqual([]);
  byPath.close();
  byPath.close();
  await expect(byPath.list({ protocol: 'tcp' })).rejects.toMatchObject({ code: 'closed', message: 'list tcp sockets: the netlink handle is closed' });
  expect(() => openSocketDiagnostics({ netns: '/proc/version' })).toThrow(expect.objectContaining({ code: 'not-a-namespace' }));
});
