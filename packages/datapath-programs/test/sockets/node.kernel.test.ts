import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import type { Namespace } from '@cilium-ts/netlink';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SocketPeer } from './peer.ts';
import { SocketRig } from './rig.ts';

let rig: SocketRig;
let host: SocketPeer;
let pod: SocketPeer;
let podNetns: Namespace;
const NODE = '10.9.9.9';

beforeAll(async () => {
  rig = await SocketRig.open();
  podNetns = await rig.addNamespace();
  host = rig.peer();
  pod = rig.peer({ netns: podNetns });
  for (const netns of [rig.node, podNetns]) {
    const servers = rig.peer({ plain: true, netns });
    for (const address of ['10.1.0.1', 'fd01::1']) await servers.ask('serve', { protocol: 'tcp', address, port: 8080 });
  }
  for (const [index, address] of [[1, '10.1.0.1'], [2, 'fd01::1']] as const) rig.tables.backend(index, address, 8080, { protocol: 'tcp' });
  for (const [i, [address, index]] of ([['0.0.0.0', 1], ['::', 2]] as const).entries()) {
    rig.tables.service({ id: 10 + i, address, port: 30_080, protocol: 'tcp', flags: SERVICE_FLAG.NODE_PORT, run: [index] });
    rig.tables.service({ id: 12 + i, address, port: 30_080, protocol: 'udp', flags: SERVICE_FLAG.NODE_PORT, run: [index] });
    rig.tables.service({ id: 14 + i, address, port: 8443, protocol: 'tcp', flags: SERVICE_FLAG.HOST_PORT, run: [index] });
  }
  for (const [i, address] of [NODE, 'fd01::2'].entries()) rig.tables.nodeAddress(address, 1 + i);
});
afterAll(() => rig.close());

describe('NodePort', () => {
  it.each([
    { address: NODE, reply: '10.1.0.1|8080' },
    { address: `::ffff:${NODE}`, reply: '10.1.0.1|8080' },
    { address: 'fd01::2', reply: 'fd01::1|8080' },
  ])('is reached under $address of the node by pods and the node', async ({ address, reply }) => {
    for (const client of [host, pod]) expect(await client.ask('tcp', { address, port: 30_080 })).toMatchObject({ reply, peer: `${address}|30080` });
  });

  it.each([
    { address: '127.0.0.1', reply: '10.1.0.1|8080' },
    { address: '127.9.8.7', reply: '10.1.0.1|8080' },
    { address: '::1', reply: 'fd01::1|8080' },
  ])('is reached under $address by the node, not by a pod, whose own address that is', async ({ address, reply }) => {
    expect(await host.ask('tcp', { address, port: 30_080 })).toMatchObject({ reply, peer: `${address}|30080` });
    expect(await pod.ask('tcp', { address, port: 30_080 })).toEqual({ error: 'ECONNREFUSED' });
  });

  it('is not reached under addresses that are not the node’s', async () => {
    expect(await host.ask('tcp', { address: '10.1.0.2', port: 30_080 })).toEqual({ error: 'ECONNREFUSED' });
  });

  it('serves host ports likewise', async () => {
    for (const address of [NODE, '127.0.0.1']) expect(await host.ask('tcp', { address, port: 8443 })).toMatchObject({ reply: '10.1.0.1|8080' });
    expect(await pod.ask('tcp', { address: NODE, port: 8443 })).toMatchObject({ reply: '10.1.0.1|8080' });
  });
});

describe('addresses that anybody can claim', () => {
  it.each([
    { what: 'an external address', flags: SERVICE_FLAG.EXTERNAL_IP },
    { what: 'the host address of a host port', flags: SERVICE_FLAG.HOST_PORT },
  ])('$what is believed only where it is the node’s', async ({ flags }) => {
    const port = 9000 + flags;
    rig.tables.service({ id: 20, address: '10.1.0.3', port, protocol: 'tcp', flags, run: [1] });
    expect(await host.ask('tcp', { address: '10.1.0.3', port })).toEqual({ error: 'ECONNREFUSED' });
    rig.tables.service({ id: 21, address: NODE, port, protocol: 'tcp', flags, run: [1] });
    expect(await host.ask('tcp', { address: NODE, port })).toMatchObject({ reply: '10.1.0.1|8080' });
  });

  it('are all believed on demand, and those of load balancers always', async () => {
    rig.tables.service({ id: 22, address: '10.1.0.3', port: 9500, protocol: 'tcp', flags: SERVICE_FLAG.LOAD_BALANCER, run: [1] });
    expect(await host.ask('tcp', { address: '10.1.0.3', port: 9500 })).toMatchObject({ reply: '10.1.0.1|8080' });
    rig.tables.service({ id: 23, address: '10.1.0.3', port: 9501, protocol: 'tcp', flags: SERVICE_FLAG.EXTERNAL_IP, run: [1] });
    await rig.load({ externalIpMitigation: 0 });
    expect(await host.ask('tcp', { address: '10.1.0.3', port: 9501 })).toMatchObject({ reply: '10.1.0.1|8080' });
    await rig.load();
    expect(await host.ask('tcp', { address: '10.1.0.3', port: 9501 })).toEqual({ error: 'ECONNREFUSED' });
  });
});

describe('binding to a port that a service has', () => {
  it.each([
    { protocol: 'tcp', address: '0.0.0.0' },
    { protocol: 'udp', address: '0.0.0.0' },
    { protocol: 'tcp', address: '127.0.0.1' },
    { protocol: 'tcp', address: NODE },
    { protocol: 'tcp', address: '::' },
    { protocol: 'udp', address: '::' },
    { protocol: 'tcp', address: 'fd01::2' },
    { protocol: 'tcp', address: `::ffff:${NODE}` },
  ])('$protocol $address: the node is refused, a pod is not', async ({ protocol, address }) => {
    expect(await host.ask('bind', { protocol, address, port: 30_080 })).toEqual({ error: 'EADDRINUSE' });
    const { handle, error } = await pod.ask('bind', { protocol, address, port: 30_080 });
    expect(error).toBeUndefined();
    await pod.ask('close', { handle });
  });

  it('is refused to an IPv6 socket of all addresses where only IPv4 has the port', async () => {
    rig.tables.service({ id: 30, address: '0.0.0.0', port: 30_090, protocol: 'tcp', flags: SERVICE_FLAG.NODE_PORT, run: [1] });
    expect(await host.ask('bind', { protocol: 'tcp', address: '::', port: 30_090 })).toEqual({ error: 'EADDRINUSE' });
    const { handle } = await host.ask('bind', { protocol: 'tcp', address: 'fd01::2', port: 30_090 });
    await host.ask('close', { handle });
  });

  it('is allowed for other ports, for cluster addresses, and where protection is off', async () => {
    rig.tables.service({ id: 31, address: '10.1.0.2', port: 9600, protocol: 'tcp', run: [1] });
    for (const [address, port] of [['0.0.0.0', 30_081], ['10.1.0.2', 9600]] as const) {
      const { handle, error } = await host.ask('bind', { protocol: 'tcp', address, port });
      expect(error).toBeUndefined();
      await host.ask('close', { handle });
    }
    await rig.load({ nodePortBindProtection: 0 });
    const { handle, error } = await host.ask('bind', { protocol: 'tcp', address: '0.0.0.0', port: 30_080 });
    expect(error).toBeUndefined();
    await host.ask('close', { handle });
    await rig.load();
    expect(await host.ask('bind', { protocol: 'tcp', address: '0.0.0.0', port: 30_080 })).toEqual({ error: 'EADDRINUSE' });
  });

  it('takes an external address of the node as well', async () => {
    rig.tables.service({ id: 32, address: NODE, port: 9700, protocol: 'tcp', flags: SERVICE_FLAG.EXTERNAL_IP, run: [1] });
    expect(await host.ask('bind', { protocol: 'tcp', address: NODE, port: 9700 })).toEqual({ error: 'EADDRINUSE' });
  });
});

describe('only the node’s own namespace', () => {
  it('leaves pods to be translated per packet', async () => {
    rig.tables.service({ id: 40, address: '10.1.0.2', port: 80, protocol: 'tcp', run: [1] });
    for (const client of [host, pod]) expect(await client.ask('tcp', { address: '10.1.0.2', port: 80 })).toMatchObject({ reply: '10.1.0.1|8080' });
    await rig.load({ sockHostnsOnly: 1 });
    expect(await host.ask('tcp', { address: '10.1.0.2', port: 80 })).toMatchObject({ reply: '10.1.0.1|8080' });
    expect(await pod.ask('tcp', { address: '10.1.0.2', port: 80 })).toEqual({ error: 'ECONNREFUSED' });
    await rig.load();
  });
});

describe('delivered by loopback', () => {
  it('reaches a backend with the client’s own address, from there', async () => {
    rig.tables.service({ id: 50, address: '10.96.0.50', port: 80, protocol: 'tcp', run: [1] });
    expect(await host.ask('tcp', { address: '10.96.0.50', port: 80, localAddress: '10.1.0.1' })).toMatchObject({ reply: '10.1.0.1|8080', peer: '10.96.0.50|80' });
    expect(await host.ask('tcp', { address: '127.0.0.1', port: 30_080, localAddress: '127.0.0.1' })).toMatchObject({ reply: '10.1.0.1|8080' });
  });
});
