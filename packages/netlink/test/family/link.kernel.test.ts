import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { NetlinkError, ifIndex, linkRequests, sendFrame } from '../../src/index.ts';
import type { Namespace, Netlink } from '../../src/index.ts';
import { createScratch, mac, untilRunning } from '../helpers.ts';
import type { Scratch } from '../helpers.ts';

let scratch: Scratch;
let node: Namespace;
let pod: Namespace;
let inNode: Netlink;
let inPod: Netlink;

beforeEach(() => {
  scratch = createScratch();
  node = scratch.namespace('node');
  pod = scratch.namespace('pod');
  inNode = scratch.netlink(node);
  inPod = scratch.netlink(pod);
});
afterEach(() => scratch.close());

const HOST = ifIndex(10_042);
const PAIR = {
  name: 'lxc42', index: HOST, mac: mac('02:00:00:00:00:01'), mtu: 1400, txQueueLength: 77, queues: 1,
  peer: { name: 'eth0', mac: mac('02:00:00:00:00:02'), mtu: 1300, index: ifIndex(7), queues: 1 },
} as const;

describe('veth pairs', () => {
  it('makes each end in its namespace with the chosen index, name, MAC and MTU', async () => {
    const made = await inNode.createVeth({ ...PAIR, up: true, peer: { ...PAIR.peer, netns: pod } });
    await inPod.setLink('eth0', { up: true });
    expect(made).toMatchObject({ index: HOST, name: 'lxc42', kind: 'veth', mtu: 1400, txQueueLength: 77, peer: 7 });
    expect(made.mac?.text).toBe('02:00:00:00:00:01');
    const peer = await inPod.getLink('eth0');
    expect(peer).toMatchObject({ index: 7, name: 'eth0', kind: 'veth', mtu: 1300, peer: HOST });
    expect(peer?.mac?.text).toBe('02:00:00:00:00:02');
    // A carrier is announced from a work queue of the kernel.
    await untilRunning(inNode, 'lxc42');
    expect([...(await inNode.getLink(HOST))!.flags]).toEqual(expect.arrayContaining(['up', 'running', 'lower-up']));
    expect((await inNode.listLinks({ kind: 'veth' })).map((link) => link.name)).toEqual(['lxc42']);
    expect((await inPod.listLinks()).map((link) => link.name).sort()).toEqual(['eth0', 'lo']);
  });

  it('tells the namespace of the other end as the kernel numbers it', async () => {
    const made = await inNode.createVeth({ ...PAIR, peer: { ...PAIR.peer, netns: pod } });
    expect(made.peerNamespaceId).toBe(await inNode.getNamespaceId(pod));
    expect(made.peerNamespaceId).toBeGreaterThanOrEqual(0);
    const both = await inNode.createVeth({ name: 'a', peer: { name: 'b' } });
    expect(both.peerNamespaceId).toBeUndefined();
  });

  it('says what is wrong: a taken name, a taken index, a name the kernel could not use', async () => {
    await inNode.createVeth({ ...PAIR, peer: { ...PAIR.peer, netns: pod } });
    const again = { name: 'lxc42', peer: { name: 'x' } };
    await expect(inNode.createVeth(again)).rejects.toMatchObject({ code: 'exists', errnoName: 'EEXIST', message: expect.stringMatching(/^create veth pair lxc42\/x: EEXIST/) });
    await expect(inNode.createVeth({ name: 'other', index: HOST, peer: { name: 'x' } })).rejects.toMatchObject({ code: 'exists' });
    await expect(inNode.createVeth({ name: 'other', index: ifIndex(500), peer: { name: 'x', index: HOST } })).rejects.toMatchObject({ code: 'busy' });
    expect(() => inNode.createVeth({ name: 'sixteen-bytes-xx', peer: { name: 'x' } })).toThrow(/^name: "sixteen-bytes-xx"/);
  });

  it('deletes both ends at once, and says when there is nothing to delete', async () => {
    await inNode.createVeth({ ...PAIR, peer: { ...PAIR.peer, netns: pod } });
    expect(await inNode.deleteLink('lxc42')).toBe(true);
    expect(await inPod.getLink('eth0')).toBeUndefined();
    expect(await inNode.getLink(HOST)).toBeUndefined();
    expect(await inNode.deleteLink(HOST)).toBe(false);
  });
});

describe('changes', () => {
  it('sets state, MTU, MAC, queue length, alias, name and address generation', async () => {
    const { index } = await inNode.createVeth({ name: 'a', peer: { name: 'b' } });
    await inNode.setLink(index, { mtu: 1280, mac: mac('02:00:00:00:00:0a'), txQueueLength: 5, alias: 'a note', ipv6AddressGeneration: 'none' });
    await inNode.setLink(index, { name: 'renamed' });
    await inNode.setLink('renamed', { up: true, promiscuous: true });
    expect(await inNode.getLink(index)).toMatchObject({ name: 'renamed', mtu: 1280, txQueueLength: 5, alias: 'a note', ipv6AddressGeneration: 'none' });
    expect([...(await inNode.getLink(index))!.flags]).toEqual(expect.arrayContaining(['up', 'promiscuous']));
    await inNode.setLink(index, { up: false });
    expect((await inNode.getLink(index))!.flags.has('up')).toBe(false);
    expect((await inNode.getLink(index))!.flags.has('promiscuous')).toBe(true);
    expect(() => inNode.setLink('renamed', { name: 'x' })).toThrow(TypeError);
  });

  it('counts packets', async () => {
    const { index } = await inNode.createVeth({ name: 'a', up: true, peer: { name: 'b', netns: pod } });
    await inPod.setLink('b', { up: true });
    expect((await inNode.getLink(index))?.statistics).toMatchObject({ rxErrors: 0, txDropped: 0 });
    await Promise.all([untilRunning(inNode, 'a'), untilRunning(inPod, 'b')]);
    const before = (await inNode.getLink(index))!.statistics!.txBytes;
    expect(sendFrame({ link: index, netns: node }, new Uint8Array(60))).toBe(true);
    await vi.waitFor(async () => expect((await inNode.getLink(index))!.statistics!.txBytes).toBeGreaterThanOrEqual(before + 60));
    await vi.waitFor(async () => expect((await inPod.getLink('b'))!.statistics!.rxBytes).toBeGreaterThanOrEqual(60));
  });

  it('goes on with a batch after a failure and names the request that failed', async () => {
    const batch = inNode.batch([
      linkRequests.createVeth({ name: 'a', peer: { name: 'b' } }),
      linkRequests.set('missing', { up: true }),
      linkRequests.set('a', { up: true }),
    ]);
    const error = await batch.then(() => undefined, (failure: unknown) => failure);
    expect(error).toBeInstanceOf(NetlinkError);
    expect(error).toMatchObject({ code: 'not-found', requestIndex: 1, operation: 'set link missing up' });
    expect((await inNode.getLink('a'))!.flags.has('up')).toBe(true);
  });

  it('carries the kernel\'s own explanation', async () => {
    const { index } = await inNode.createVeth({ name: 'a', peer: { name: 'b' } });
    const error = (await inNode.setLink(index, { mtu: 10 }).then(() => undefined, (failure: unknown) => failure)) as NetlinkError;
    expect(error.code).toBe('invalid');
    expect(error.extendedAck).toBe('mtu less than device minimum');
    expect(error.message).toBe(`set link ${index} mtu: EINVAL: mtu less than device minimum`);
  });
});

describe('many devices', () => {
  it('lists them all, while others come and go', async () => {
    const requests = Array.from({ length: 150 }, (_, i) => linkRequests.createVeth({ name: `a${i}`, index: ifIndex(10_000 + i), queues: 1, peer: { name: `b${i}`, queues: 1 } }));
    await inNode.batch(requests);
    const churn = scratch.netlink(node);
    const [lists] = await Promise.all([
      Promise.all(Array.from({ length: 10 }, () => inNode.listLinks({ kind: 'veth' }))),
      churn.batch([...Array.from({ length: 20 }, (_, i) => linkRequests.createVeth({ name: `x${i}`, peer: { name: `y${i}` } }))]),
    ]);
    for (const links of lists) {
      const names = new Set(links.map((link) => link.name));
      expect(requests.every((_, i) => names.has(`a${i}`) && names.has(`b${i}`))).toBe(true);
    }
  });
});

describe('closing', () => {
  it('fails what is under way and what comes after, and may be done twice', async () => {
    const underWay = inNode.listLinks();
    inNode.close();
    inNode.close();
    await expect(underWay).rejects.toMatchObject({ code: 'closed' });
    await expect(inNode.listLinks()).rejects.toMatchObject({ code: 'closed' });
    expect(() => inNode.watchLinks()).toThrow(NetlinkError);
  });
});
