import type { Namespace } from '@cilium-ts/netlink';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SocketPeer } from './peer.ts';
import { SocketRig } from './rig.ts';

const VIP = '10.96.0.1';
const VIP6 = 'fd96::1';
let rig: SocketRig;
let other: Namespace;
let client: SocketPeer;
let elsewhere: SocketPeer;

beforeAll(async () => {
  rig = await SocketRig.open();
  other = await rig.addNamespace();
  client = rig.peer();
  elsewhere = rig.peer({ netns: other });
  for (const netns of [rig.node, other]) {
    const servers = rig.peer({ plain: true, netns });
    for (const protocol of ['udp', 'tcp']) {
      for (const address of ['10.1.0.1', '10.1.0.2', 'fd01::1']) await servers.ask('serve', { protocol, address, port: 8080 });
    }
  }
});
afterAll(() => rig.close());

beforeEach(() => {
  for (const [index, address] of [[1, '10.1.0.1'], [2, '10.1.0.2'], [3, 'fd01::1']] as const) rig.tables.backend(index, address, 8080);
  for (const [i, protocol] of (['tcp', 'udp'] as const).entries()) {
    rig.tables.service({ id: 10 + i, address: VIP, port: 53, protocol, run: [1] });
    rig.tables.service({ id: 20 + i, address: '10.96.0.2', port: 53, protocol, run: [2] });
    rig.tables.service({ id: 30 + i, address: VIP6, port: 53, protocol, run: [3] });
  }
});

const connectTcp = async (peer: SocketPeer, address: string, port = 53): Promise<number> => (await peer.ask('tcp', { address, port })).handle!;
async function connectUdp(peer: SocketPeer, address: string, type = 'udp4'): Promise<number> {
  const { handle } = await peer.ask('udp', { type });
  await peer.ask('udpConnect', { handle, address, port: 53 });
  return handle!;
}
const failure = (peer: SocketPeer, handle: number) => peer.ask('failure', { handle, milliseconds: 5000 });
const alive = async (peer: SocketPeer, handle: number): Promise<boolean> => (await peer.ask('peer', { handle })).peer !== undefined;

describe('terminate', () => {
  it('ends TCP and UDP sockets that are connected to a backend that has gone, and no others', async () => {
    const ended = await connectTcp(client, VIP);
    const endedUdp = await connectUdp(client, VIP);
    const mapped = await connectUdp(client, `::ffff:${VIP}`, 'udp6');
    const direct = await connectTcp(client, '10.1.0.1', 8080);
    const kept = await connectTcp(client, '10.96.0.2');
    const loose = (await client.ask('udp')).handle!;
    await client.ask('udpAsk', { handle: loose, address: VIP, port: 53 });
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node] })).toEqual({ destroyed: 0, left: 0, failures: [] });
    rig.tables.end(1);
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node] })).toEqual({ destroyed: 3, left: 0, failures: [] });
    expect(await failure(client, ended)).toEqual({ error: 'ECONNABORTED' });
    for (const handle of [endedUdp, mapped]) expect(await failure(client, handle)).toEqual({ error: 'ECONNABORTED' });
    for (const handle of [direct, kept]) expect(await alive(client, handle)).toBe(true);
    for (const id of [10, 11]) rig.tables.retarget(id, [2]);
    expect(await client.ask('udpAsk', { handle: loose, address: VIP, port: 53 })).toMatchObject({ reply: '10.1.0.2|8080' });
    for (const handle of [direct, kept, loose]) await client.ask('close', { handle });
  });

  it('does so for IPv6, and in every namespace that it is given, those that have gone left out', async () => {
    const here = await connectTcp(client, VIP6);
    const there = await connectTcp(elsewhere, VIP6);
    const cookies = new Set(rig.loadBalancer.sockets().map(({ netnsCookie }) => netnsCookie));
    expect(cookies.size).toBe(2);
    rig.tables.end(3);
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node] })).toEqual({ destroyed: 1, left: 1, failures: [] });
    expect(await failure(client, here)).toEqual({ error: 'ECONNABORTED' });
    expect(await alive(elsewhere, there)).toBe(true);
    expect(await rig.loadBalancer.terminate({ namespaces: [`${rig.node.path}-gone`, other.path] })).toEqual({ destroyed: 1, left: 0, failures: [] });
    expect(await failure(elsewhere, there)).toEqual({ error: 'ECONNABORTED' });
  });

  it('ends only sockets of the protocols asked for', async () => {
    const tcp = await connectTcp(client, VIP);
    const udp = await connectUdp(client, VIP);
    rig.tables.end(1);
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node], protocols: ['udp'] })).toEqual({ destroyed: 1, left: 0, failures: [] });
    expect(await alive(client, tcp)).toBe(true);
    expect(await failure(client, udp)).toEqual({ error: 'ECONNABORTED' });
    // an application may keep it open: it is not looked for again
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node], protocols: ['udp'] })).toEqual({ destroyed: 0, left: 0, failures: [] });
    await client.ask('close', { handle: tcp });
  });

  it('ends 500 sockets of ten backends at once', async () => {
    const handles: number[] = [];
    for (let i = 0; i < 10; i++) {
      rig.tables.backend(100 + i, '10.1.0.2', 9000 + i);
      rig.tables.service({ id: 100 + i, address: '10.96.1.1', port: 5300 + i, run: [100 + i] });
      handles.push((await client.ask('many', { count: 50, address: '10.96.1.1', port: 5300 + i })).handle!);
    }
    for (let i = 0; i < 10; i++) rig.tables.backend(100 + i, '10.1.0.2', 9000 + i, { generation: 2 });
    expect(await rig.loadBalancer.terminate({ namespaces: [rig.node] })).toEqual({ destroyed: 500, left: 0, failures: [] });
    for (const handle of handles) await client.ask('close', { handle });
  });
});
