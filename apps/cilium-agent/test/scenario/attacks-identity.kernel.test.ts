import { ethernet, packet, payload, udp } from '@cilium-ts/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrives, cnp, datagram, enforce, FAMILIES, ip, openArena, REASON, refusedFor } from './support/arena.ts';
import type { Arena, ArmedPod, Family } from './support/arena.ts';

/** The client may send to good pods, to the world and to one address of it; nothing may be begun towards it. */
const CLIENT = cnp('client', `
  endpointSelector: {matchLabels: {app: client}}
  egress:
    - toEndpoints: [{matchLabels: {app: good}}]
    - toEntities: [world]
  ingress:
    - fromEndpoints: [{matchLabels: {app: good}}]
      toPorts: [{ports: [{port: "1", protocol: UDP}]}]
    - fromCIDR: [198.51.100.10/32, "2001:db8:51::10/128"]
`);

let arena: Arena;
let client: ArmedPod;
let count = 0;

beforeAll(async () => {
  arena = await openArena('identity');
  client = await arena.armed('client');
  await enforce(arena, CLIENT);
});
afterAll(() => arena[Symbol.asyncDispose]());

const reply = (from: ArmedPod, family: Family, port: number, text: string): Uint8Array =>
  packet(ethernet({ source: from.mac, destination: from.hostMac }), ip(family, { source: from.address(family), destination: client.address(family) }), udp({ sourcePort: 53, destinationPort: port }), payload(text));

const place = (n: number) => ({ addressing: { ipv4: `10.244.9.${n}`, ipv6: `fd00:10:244::9${n}` } });

describe.each(FAMILIES)('IPv%i', (family) => {
  const port = 5600 + family;

  it('no decision about a pod outlives it, when another gets its address', async () => {
    const name = `heir${family}-${++count}`;
    const old = await arena.armed(`${name}-old`, ['app=good'], place(10 + family));
    const there = (text: string) => datagram(client, family, { address: old.address(family), port: 53, text }, { port });
    client.socket.send(there(`${name}-first`));
    await arrives(old.tap, `${name}-first`);
    old.socket.send(reply(old, family, port, `${name}-back`));
    await arrives(client.tap, `${name}-back`);
    old.tap.close();
    old.socket.close();
    await arena.client.deleteEndpoint(old.id);
    const heir = await arena.armed(`${name}-new`, ['app=bad'], place(10 + family));
    expect(heir.address(family)).toBe(old.address(family));
    // The stream goes on as if nothing had been, and so do its answers.
    await refusedFor(arena, REASON.policy, 20, () => {
      for (let n = 0; n < 10; n++) {
        client.socket.send(there(`${name}-lie`));
        heir.socket.send(reply(heir, family, port, `${name}-lie`));
      }
    });
    expect([heir.tap.count(`${name}-lie`), client.tap.count(`${name}-lie`)]).toEqual([0, 0]);
    await arena.client.deleteEndpoint(heir.id);
    // A third one, allowed again, is: the deny does not outlive its pod either.
    const third = await arena.armed(`${name}-third`, ['app=good'], place(10 + family));
    client.socket.send(there(`${name}-third`));
    await arrives(third.tap, `${name}-third`);
    await arena.client.deleteEndpoint(third.id);
  });

  it('a flow to an address of the world does not reach the pod that appears there', async () => {
    const name = `appear${family}-${++count}`;
    const address = family === 4 ? '10.244.9.30' : 'fd00:10:244::930';
    const stream = (text: string) => datagram(client, family, { address, port: 53, text }, { port: port + 10 });
    client.socket.send(stream(`${name}-world`));
    // Nobody is there; the flow to it is, as one to the world.
    await expect.poll(async () => (await arena.client.listBpfFlows()).some(({ destination }) => destination.ip === address && destination.identity === (family === 4 ? 9 : 10)), { timeout: 10_000 }).toBe(true);
    const pod = await arena.armed(`${name}-pod`, ['app=bad'], { addressing: family === 4 ? { ipv4: address } : { ipv6: address } });
    await refusedFor(arena, REASON.policy, 10, () => { for (let n = 0; n < 10; n++) client.socket.send(stream(`${name}-lie`)); });
    await refusedFor(arena, REASON.policy, 1, () => pod.socket.send(reply(pod, family, port + 10, `${name}-lie`)));
    expect([pod.tap.count(`${name}-lie`), client.tap.count(`${name}-lie`)]).toEqual([0, 0]);
    await arena.client.deleteEndpoint(pod.id);
  });

  it('a pod that changes its labels takes its flows with it, or loses them', async () => {
    const name = `labels${family}-${++count}`;
    const pod = await arena.armed(`${name}-pod`, ['app=good'], place(40 + family));
    const there = (text: string) => datagram(client, family, { address: pod.address(family), port: 53, text }, { port: port + 20 });
    client.socket.send(there(`${name}-first`));
    await arrives(pod.tap, `${name}-first`);
    await arena.client.setEndpointLabels(pod.id, ['app=bad']);
    await refusedFor(arena, REASON.policy, 2, () => {
      client.socket.send(there(`${name}-lie`));
      pod.socket.send(reply(pod, family, port + 20, `${name}-lie`));
    });
    await arena.client.setEndpointLabels(pod.id, ['app=good']);
    client.socket.send(there(`${name}-again`));
    await arrives(pod.tap, `${name}-again`);
    expect(pod.tap.count(`${name}-lie`)).toBe(0);
    await arena.client.deleteEndpoint(pod.id);
  });

  it('a remote address that changes identity is judged anew, while no policy of the pod changes', async () => {
    const name = `remote${family}-${++count}`;
    const source = family === 4 ? '198.51.100.10' : '2001:db8:51::10';
    const macs = { source: (await arena.outside.netlink.getLink('to-0'))!.mac!.text, destination: (await arena.node.netlink.getLink('eth0'))!.mac!.text };
    const wire = await arena.outside.frames('to-0');
    const stream = (text: string) => packet(ethernet(macs), ip(family, { source, destination: client.address(family) }), udp({ sourcePort: 9000, destinationPort: port + 30 }), payload(text));
    wire.send(stream(`${name}-first`));
    await arrives(client.tap, `${name}-first`);
    // The node gets the address: what comes from outside under it is not even the CIDR's any more.
    const length = family === 4 ? 32 : 128;
    const more = family === 6 ? ['nodad'] : [];
    for (const key of ['rp_filter=0', 'accept_local=1']) for (const device of ['all', 'eth0']) await arena.node.exec('sysctl', '-qw', `net.ipv4.conf.${device}.${key}`);
    await arena.node.exec('ip', 'addr', 'add', `${source}/${length}`, 'dev', 'cilium_host', ...more);
    await expect.poll(async () => (await arena.client.listBpfAddresses()).find(({ prefix }) => prefix === `${source}/${length}`)?.kind, { timeout: 10_000 }).toBe('host');
    await refusedFor(arena, REASON.policy, 5, () => { for (let n = 0; n < 5; n++) wire.send(stream(`${name}-lie`)); });
    await arena.node.exec('ip', 'addr', 'del', `${source}/${length}`, 'dev', 'cilium_host');
    await expect.poll(async () => (await arena.client.listBpfAddresses()).find(({ prefix }) => prefix === `${source}/${length}`)?.kind, { timeout: 10_000 }).toBe('remote');
    wire.send(stream(`${name}-again`));
    await arrives(client.tap, `${name}-again`);
    expect(client.tap.count(`${name}-lie`)).toBe(0);
    wire.close();
  });
});
