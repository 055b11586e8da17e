import { SERVICE_FLAG, SERVICE_SCOPE } from '@cilium-ts/datapath-layout';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SocketPeer } from './peer.ts';
import { SocketRig } from './rig.ts';

let rig: SocketRig;
let client: SocketPeer;
const VIP = '10.96.0.1';
const VIP6 = 'fd96::1';

beforeAll(async () => {
  rig = await SocketRig.open();
  const servers = rig.peer({ plain: true });
  for (const protocol of ['udp', 'tcp']) {
    for (const address of ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.9.9.9', '127.0.0.1', 'fd01::1', 'fd01::2']) await servers.ask('serve', { protocol, address, port: 8080 });
  }
  for (const [index, address] of [[1, '10.1.0.1'], [2, '10.1.0.2'], [3, '10.1.0.3'], [4, 'fd01::1'], [5, 'fd01::2']] as const) rig.tables.backend(index, address, 8080);
  client = rig.peer();
});
afterAll(() => rig.close());

const udp = async (type = 'udp4'): Promise<number> => (await client.ask('udp', { type })).handle!;

describe.each([
  { family: 'IPv4', vip: VIP, type: 'udp4', run: [1], backend: '10.1.0.1|8080', vip16: VIP },
  { family: 'IPv6', vip: VIP6, type: 'udp6', run: [4], backend: 'fd01::1|8080', vip16: VIP6 },
  { family: 'IPv4 by an IPv6 socket', vip: `::ffff:${VIP}`, type: 'udp6', run: [1], backend: '10.1.0.1|8080', vip16: VIP },
])('$family', ({ vip, type, run, backend, vip16 }) => {
  beforeAll(() => {
    rig.tables.service({ id: 10, address: vip16, port: 80, run, protocol: 'tcp' });
    rig.tables.service({ id: 11, address: vip16, port: 53, run, protocol: 'udp' });
  });

  it('connects TCP to a backend, and getpeername says the service', async () => {
    expect(await client.ask('tcp', { address: vip, port: 80 })).toMatchObject({ reply: backend, peer: `${vip}|80` });
  });

  it('connects UDP to a backend, and getpeername and recvmsg say the service', async () => {
    const handle = await udp(type);
    expect(await client.ask('udpConnect', { handle, address: vip, port: 53 })).toEqual({ peer: `${vip}|53` });
    expect(await client.ask('udpAsk', { handle })).toEqual({ reply: backend, from: `${vip}|53` });
    await client.ask('close', { handle });
  });

  it('sends datagrams to a backend, and their answers come from the service', async () => {
    const handle = await udp(type);
    for (let i = 0; i < 3; i++) expect(await client.ask('udpAsk', { handle, address: vip, port: 53 })).toEqual({ reply: backend, from: `${vip}|53` });
    await client.ask('close', { handle });
  });

  it('leaves other ports and protocols of the address alone', async () => {
    const handle = await udp(type);
    await client.ask('udpConnect', { handle, address: vip, port: 54 });
    expect(await client.ask('peer', { handle })).toEqual({ peer: `${vip}|54` });
    await client.ask('udpDisconnect', { handle });
    await client.ask('udpConnect', { handle, address: vip, port: 80 });
    expect(rig.loadBalancer.sockets().filter(({ frontend }) => frontend.port === 54)).toEqual([]);
    await client.ask('close', { handle });
  });
});

describe('one socket, many peers', () => {
  it('asks two services by turns and hears each under its own name, also where they share their backends', async () => {
    const vips = ['10.96.1.1', '10.96.1.2'];
    for (const [i, address] of vips.entries()) rig.tables.service({ id: 20 + i, address, port: 53, run: [1, 2, 3] });
    const handle = await udp();
    for (let round = 0; round < 5; round++) {
      for (const address of vips) expect(await client.ask('udpAsk', { handle, address, port: 53 })).toMatchObject({ from: `${address}|53` });
    }
    await client.ask('close', { handle });
  });

  it('speaks to a backend under its own address after having met it by a service, and the other way round', async () => {
    rig.tables.service({ id: 22, address: '10.96.1.3', port: 53, run: [1] });
    const handle = await udp();
    for (let round = 0; round < 2; round++) {
      expect(await client.ask('udpAsk', { handle, address: '10.96.1.3', port: 53 })).toEqual({ reply: '10.1.0.1|8080', from: '10.96.1.3|53' });
      expect(await client.ask('udpAsk', { handle, address: '10.1.0.1', port: 8080 })).toEqual({ reply: '10.1.0.1|8080', from: '10.1.0.1|8080' });
    }
    await client.ask('udpConnect', { handle, address: '10.96.1.3', port: 53 });
    await client.ask('udpDisconnect', { handle });
    expect(await client.ask('udpConnect', { handle, address: '10.1.0.1', port: 8080 })).toEqual({ peer: '10.1.0.1|8080' });
    await client.ask('close', { handle });
  });

  it('leaves datagrams to others as they are', async () => {
    const handle = await udp();
    expect(await client.ask('udpAsk', { handle, address: '10.9.9.9', port: 8080 })).toEqual({ reply: '10.9.9.9|8080', from: '10.9.9.9|8080' });
    await client.ask('close', { handle });
  });
});

describe('no backend', () => {
  it.each([
    { what: 'IPv4', address: '10.96.2.1', type: 'udp4' },
    { what: 'IPv6', address: 'fd96::2:1', type: 'udp6' },
  ])('refuses at once with EHOSTUNREACH: $what', async ({ address, type }) => {
    for (const [i, protocol] of (['udp', 'tcp'] as const).entries()) rig.tables.service({ id: 30 + i, address, port: 80, protocol, run: [] });
    expect(await client.ask('tcp', { address, port: 80 })).toEqual({ error: 'EHOSTUNREACH' });
    const handle = await udp(type);
    expect(await client.ask('udpAsk', { handle, address, port: 80 })).toEqual({ error: 'EHOSTUNREACH' });
    expect(await client.ask('udpConnect', { handle, address, port: 80 })).toEqual({ error: 'EHOSTUNREACH' });
  });

  it('refuses when the only backend is of the other family or has just ended', async () => {
    rig.tables.service({ id: 32, address: '10.96.2.2', port: 80, protocol: 'tcp', run: [4] });
    expect(await client.ask('tcp', { address: '10.96.2.2', port: 80 })).toEqual({ error: 'EHOSTUNREACH' });
    rig.tables.backend(9, '10.1.0.1', 8080);
    rig.tables.service({ id: 33, address: '10.96.2.3', port: 80, protocol: 'tcp', run: [9] });
    expect(await client.ask('tcp', { address: '10.96.2.3', port: 80 })).toMatchObject({ reply: '10.1.0.1|8080' });
    rig.tables.end(9);
    expect(await client.ask('tcp', { address: '10.96.2.3', port: 80 })).toEqual({ error: 'EHOSTUNREACH' });
  });
});

describe('a backend that ends', () => {
  it('is replaced at the next datagram of a socket that is not connected', async () => {
    rig.tables.backend(11, '10.1.0.1', 8080);
    rig.tables.service({ id: 40, address: '10.96.3.1', port: 53, run: [11] });
    const handle = await udp();
    expect(await client.ask('udpAsk', { handle, address: '10.96.3.1', port: 53 })).toMatchObject({ reply: '10.1.0.1|8080' });
    rig.tables.end(11);
    rig.tables.retarget(40, [2]);
    for (let i = 0; i < 2; i++) expect(await client.ask('udpAsk', { handle, address: '10.96.3.1', port: 53 })).toEqual({ reply: '10.1.0.2|8080', from: '10.96.3.1|53' });
    expect(rig.loadBalancer.sockets().filter(({ service }) => service === 40)).toMatchObject([{ backend: { index: 2 } }]);
    await client.ask('close', { handle });
  });
});

describe('scopes', () => {
  it('reaches the internal scope of a service that has two', async () => {
    rig.tables.service({ id: 50, address: '10.96.4.1', port: 80, protocol: 'tcp', flags: SERVICE_FLAG.TWO_SCOPES, run: [1] });
    rig.tables.service({ id: 51, address: '10.96.4.1', port: 80, protocol: 'tcp', flags: SERVICE_FLAG.TWO_SCOPES, scope: SERVICE_SCOPE.INTERNAL, run: [2] });
    expect(await client.ask('tcp', { address: '10.96.4.1', port: 80 })).toMatchObject({ reply: '10.1.0.2|8080' });
  });
});

describe('what cilium_sockets holds', () => {
  it('is one entry per socket, unchanged by a repeated connect, and gone with the socket', async () => {
    rig.tables.service({ id: 60, address: '10.96.5.1', port: 53, run: [1] });
    const handle = await udp();
    const held = () => rig.loadBalancer.sockets().filter(({ service }) => service === 60);
    await client.ask('udpConnect', { handle, address: '10.96.5.1', port: 53 });
    const before = held();
    expect(before).toMatchObject([{ connected: true, protocol: { name: 'UDP' }, frontend: { ip: { text: '10.96.5.1' }, port: 53 }, backend: { ip: { text: '10.1.0.1' }, port: 8080, index: 1, generation: 1 } }]);
    await client.ask('udpDisconnect', { handle });
    await client.ask('udpConnect', { handle, address: '10.96.5.1', port: 53 });
    expect(held()).toEqual(before);
    await client.ask('close', { handle });
    expect(held()).toEqual([]);
  });
});
