import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createNamespace, currentNamespace, deleteNamespace, isSameNamespace, namespaceCookie, openNamespace, openNetlink, readSysctl, writeSysctl } from '../../src/index.ts';
import type { Namespace } from '../../src/index.ts';
import { createScratch } from '../helpers.ts';
import type { Scratch } from '../helpers.ts';

let scratch: Scratch;
let node: Namespace;
beforeEach(() => {
  scratch = createScratch();
  node = scratch.namespace('node');
});
afterEach(() => scratch.close());

describe('namespaces', () => {
  it('are made and deleted, and known by identity', () => {
    const other = scratch.namespace('other');
    expect(node.id).not.toBe(other.id);
    expect(isSameNamespace(node.path, node.path)).toBe(true);
    expect(isSameNamespace(node.path, other.path)).toBe(false);
    expect(isSameNamespace(node.path)).toBe(false);
    expect(isSameNamespace('/proc/self/ns/net')).toBe(true);
    expect(node.inode).toBeGreaterThan(0);
    expect(() => createNamespace(node.path)).toThrow(expect.objectContaining({ code: 'exists' }));
    createNamespace(`${scratch.folder}/third`).close();
    expect(deleteNamespace(`${scratch.folder}/third`)).toBe(true);
    expect(existsSync(`${scratch.folder}/third`)).toBe(false);
    expect(deleteNamespace(`${scratch.folder}/third`)).toBe(false);
  });

  it('are told from files and absent paths', () => {
    const folder = mkdtempSync('/tmp/ct-netlink-');
    writeFileSync(`${folder}/file`, '');
    expect(() => openNamespace(`${folder}/file`)).toThrow(expect.objectContaining({ code: 'not-a-namespace', path: `${folder}/file` }));
    expect(() => openNamespace('/proc/self/ns/mnt')).toThrow(expect.objectContaining({ code: 'not-a-namespace' }));
    expect(() => openNamespace(`${folder}/absent`)).toThrow(expect.objectContaining({ code: 'not-found' }));
    expect(() => openNetlink({ netns: `${folder}/absent` })).toThrow(expect.objectContaining({ code: 'not-found' }));
    rmSync(folder, { recursive: true });
  });

  it('are entered for the length of one call, and left whatever happens in it', () => {
    using home = currentNamespace();
    const here = (): string => {
      using current = currentNamespace();
      return current.id;
    };
    expect(node.run(here)).toBe(node.id);
    expect(here()).toBe(home.id);
    const failure = new Error('from within');
    expect(() => node.run(() => { throw failure; })).toThrow(failure);
    expect(here()).toBe(home.id);
    const other = scratch.namespace('other');
    expect(node.run(() => [other.run(here), here()])).toEqual([other.id, node.id]);
    expect(here()).toBe(home.id);
    expect(() => node.run(() => Promise.resolve())).toThrow(TypeError);
    expect(node.run(() => Object.keys(networkInterfaces()))).toEqual([]);
    node.close();
    node.close();
    expect(() => node.run(here)).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  it('keep what was opened in them', async () => {
    const netlink = scratch.netlink(node);
    await netlink.setLink('lo', { up: true });
    // Without a host the socket is made within the call; with one only after a look-up, by then outside.
    const server = createServer();
    const path = node.path;
    await new Promise<void>((resolve) => node.run(() => server.listen(0, resolve)));
    const { port } = server.address() as AddressInfo;
    const listening = execFileSync('nsenter', [`--net=${path}`, 'cat', '/proc/net/tcp6'], { encoding: 'utf8' });
    expect(listening).toContain(`${'0'.repeat(32)}:${port.toString(16).toUpperCase().padStart(4, '0')}`);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('sysctls', () => {
  it('are read and written in the namespace named, not in this one', () => {
    const before = readSysctl('net.ipv4.ip_forward');
    expect(readSysctl('net.ipv4.ip_forward', { netns: node })).toMatch(/^[01]$/);
    for (const value of [1, 0, 1]) {
      writeSysctl('net.ipv4.ip_forward', value, { netns: node });
      expect(readSysctl('net.ipv4.ip_forward', { netns: node })).toBe(String(value));
      writeSysctl('net/ipv6/conf/all/accept_dad', value, { netns: node.path });
      expect(readSysctl('net.ipv6.conf.all.accept_dad', { netns: node.path })).toBe(String(value));
    }
    expect(readSysctl('net.ipv4.ip_forward')).toBe(before);
  });

  it('see devices of the namespace only, also with a dot in the name', async () => {
    const netlink = scratch.netlink(node);
    await netlink.createVeth({ name: 'a.100', peer: { name: 'b' } });
    expect(readSysctl('net/ipv4/conf/a.100/forwarding', { netns: node })).toMatch(/^[01]$/);
    expect(readSysctl('net/ipv4/conf/a.100/forwarding')).toBeUndefined();
  });

  it('say what is wrong', () => {
    expect(readSysctl('net.ipv4.no_such', { netns: node })).toBeUndefined();
    expect(() => writeSysctl('net.ipv4.no_such', 1, { netns: node })).toThrow(expect.objectContaining({ code: 'not-found', message: expect.stringMatching(/^write sysctl net\.ipv4\.no_such/) }));
    expect(() => writeSysctl('net.ipv4.ip_forward', 'many', { netns: node })).toThrow(expect.objectContaining({ code: 'invalid' }));
    for (const name of ['kernel.panic', 'net', 'net/../kernel/panic', 'net.ipv4..x', '']) expect(() => readSysctl(name)).toThrow(TypeError);
  });

  it('follow the thread that reads: a worker in another namespace does not disturb', async () => {
    writeSysctl('net.ipv4.ip_forward', 1, { netns: node });
    const addon = new URL(`../../prebuilds/linux-${process.arch}.node`, import.meta.url).pathname;
    const code = `const { parentPort, workerData } = require('node:worker_threads'); const fs = require('node:fs');
      const { runInNamespace } = require(workerData.addon);
      const fd = fs.openSync(workerData.path, 'r');
      parentPort.postMessage(runInNamespace(fd, () => fs.readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')).trim());`;
    const answer = await new Promise((resolve, reject) => new Worker(code, { eval: true, workerData: { addon, path: node.path } }).once('message', resolve).once('error', reject));
    expect(answer).toBe('1');
  });
});

it('numbers another namespace, once', async () => {
  const netlink = scratch.netlink(node);
  const other = scratch.namespace('other');
  expect(await netlink.getNamespaceId(other)).toBeUndefined();
  expect(await netlink.assignNamespaceId(other, 31)).toBe(31);
  expect(await netlink.assignNamespaceId(other)).toBe(31);
  expect(await netlink.getNamespaceId(other)).toBe(31);
  await expect(netlink.assignNamespaceId(scratch.namespace('third'), 31)).rejects.toMatchObject({ code: 'exists' });
});

it('tells namespaces by their cookies', () => {
  const other = scratch.namespace('cookie');
  const own = namespaceCookie();
  expect(own).toBeGreaterThan(0n);
  expect(namespaceCookie()).toBe(own);
  expect(new Set([own, namespaceCookie(node), namespaceCookie(other)]).size).toBe(3);
  expect(namespaceCookie(node.path)).toBe(namespaceCookie(node));
  expect(() => namespaceCookie('/run/netns/no-such')).toThrow(expect.objectContaining({ code: 'not-found' }));
});
