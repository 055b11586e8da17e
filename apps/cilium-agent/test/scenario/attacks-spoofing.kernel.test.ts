import { writeSysctl } from '@cilium-ts/netlink';
import type { PacketSocket } from '@cilium-ts/netlink';
import { arp, ethernet, icmpv6, ipv6, neighbourAdvertisement, neighbourSolicitation, packet, payload, routerAdvertisement, udp } from '@cilium-ts/testkit';
import type { Layer } from '@cilium-ts/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrives, cnp, datagram, enforce, FAMILIES, ip, openArena, REASON, refusedFor } from './support/arena.ts';
import type { Arena, ArmedPod, Family } from './support/arena.ts';

const ALLOW = cnp('victim', `
  endpointSelector: {matchLabels: {app: victim}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: friend}}]
      toPorts: [{ports: [{port: "53", protocol: UDP}]}]
    - fromEntities: [world]
      toPorts: [{ports: [{port: "54", protocol: UDP}]}]
    - fromEntities: [host]
      toPorts: [{ports: [{port: "55", protocol: UDP}]}]
`);

let arena: Arena;
let victim: ArmedPod;
let friend: ArmedPod;
let stranger: ArmedPod;
/** The outside's end of the wire to the node. */
let wire: PacketSocket;
let macs: { readonly node: string; readonly outside: string };

beforeAll(async () => {
  arena = await openArena('spoof');
  [victim, friend, stranger] = [await arena.armed('victim'), await arena.armed('friend'), await arena.armed('stranger')];
  await enforce(arena, ALLOW);
  wire = await arena.outside.frames('to-0');
  macs = { node: (await arena.node.netlink.getLink('eth0'))!.mac!.text, outside: (await arena.outside.netlink.getLink('to-0'))!.mac!.text };
  // The kernel is told to believe everything, so that nothing but the datapath stands in the way.
  for (const device of ['all', 'eth0']) {
    writeSysctl(`net.ipv4.conf.${device}.rp_filter`, 0, { netns: arena.node.netns });
    writeSysctl(`net.ipv4.conf.${device}.accept_local`, 1, { netns: arena.node.netns });
  }
});
afterAll(() => arena[Symbol.asyncDispose]());

const fromOutside = (family: Family, source: string, [sourcePort, port]: readonly [number, number], text: string): Uint8Array =>
  packet(ethernet({ source: macs.outside, destination: macs.node }), ip(family, { source, destination: victim.address(family) }), udp({ sourcePort, destinationPort: port }), payload(text));

const link = (source: string, destination: string, sender: ArmedPod, ...layers: readonly Layer[]): Uint8Array =>
  packet(ethernet({ source: sender.mac, destination: '33:33:00:00:00:01' }), ipv6({ source, destination, hopLimit: 255 }), ...layers);

const linkLocalOf = (mac: string): string => {
  const [a, b, c, d, e, f] = mac.split(':') as [string, string, string, string, string, string];
  return `fe80::${((Number.parseInt(a, 16) ^ 2).toString(16))}${b}:${c}ff:fe${d}:${e}${f}`;
};

/** What is sent is refused, and the same without the lie arrives. */
const seenOnlyIfTrue = async (text: string, truth: () => unknown): Promise<void> => {
  expect(victim.tap.count(`${text}-lie`)).toBe(0);
  await truth();
  await arrives(victim.tap, `${text}-truth`);
  expect(victim.tap.count(`${text}-lie`)).toBe(0);
};

describe.each(FAMILIES)('IPv%i', (family) => {
  it("a pod can not send from another's address, or from none of its own", async () => {
    const to = (text: string) => ({ address: victim.address(family), port: 53, text });
    const name = `ip${family}`;
    const lies = [friend.address(family), victim.address(family), family === 4 ? '10.244.0.1' : 'fd00:10:244::1', family === 4 ? '198.51.100.10' : '2001:db8:51::10', family === 4 ? '10.244.0.200' : 'fd00:10:244::200'];
    await refusedFor(arena, REASON.sourceIp, lies.length, () => { for (const source of lies) stranger.socket.send(datagram(stranger, family, to(`${name}-lie`), { source })); });
    await seenOnlyIfTrue(name, () => friend.socket.send(datagram(friend, family, to(`${name}-truth`))));
  });

  it("a pod can not send from another's MAC address", async () => {
    const to = (text: string) => ({ address: victim.address(family), port: 53, text });
    const name = `mac${family}`;
    await refusedFor(arena, REASON.sourceMac, 3, () => {
      stranger.socket.send(datagram(stranger, family, to(`${name}-lie`), { mac: friend.mac, source: friend.address(family) }));
      stranger.socket.send(datagram(stranger, family, to(`${name}-lie`), { mac: stranger.hostMac, source: friend.address(family) }));
      friend.socket.send(datagram(friend, family, to(`${name}-lie`), { mac: stranger.mac }));
    });
    await seenOnlyIfTrue(name, () => friend.socket.send(datagram(friend, family, to(`${name}-truth`))));
  });

  it("the uplink can not bring a local pod's address, of a running flow of it neither", async () => {
    const name = `up${family}`;
    friend.socket.send(datagram(friend, family, { address: victim.address(family), port: 53, text: `${name}-flow` }));
    await arrives(victim.tap, `${name}-flow`);
    // 20,000 is the port of the flow that runs; 20,001 would begin another.
    await refusedFor(arena, REASON.sourceIp, 3, () => {
      for (const port of [20_000, 20_001]) wire.send(fromOutside(family, friend.address(family), [port, 53], `${name}-lie`));
      wire.send(fromOutside(family, friend.address(family), [20_000, 54], `${name}-lie`));
    });
    await seenOnlyIfTrue(name, () => wire.send(fromOutside(family, family === 4 ? '198.51.100.10' : '2001:db8:51::10', [20_000, 54], `${name}-truth`)));
  });

  it("a node's address that comes from outside is the world's, and can not go on with what the node began", async () => {
    const name = `node${family}`;
    const addresses = family === 4 ? ['10.244.0.1', '192.0.2.2'] : ['fd00:10:244::1', 'fd00:c1:0::2'];
    await victim.probe.listen({ protocol: 'udp', port: 55, addresses: [victim.address(family)] });
    const node = await arena.node.probe();
    expect((await node.udp({ address: victim.address(family), port: 55, localPort: 5055, timeoutMs: 5000 })).outcome).toBe('ok');
    await refusedFor(arena, REASON.policy, addresses.length, () => { for (const source of addresses) wire.send(fromOutside(family, source, [20_000, 55], `${name}-lie`)); });
    await refusedFor(arena, REASON.sourceIp, 1, () => wire.send(fromOutside(family, addresses[0]!, [5055, 55], `${name}-lie`)));
    await seenOnlyIfTrue(name, () => wire.send(fromOutside(family, addresses[0]!, [20_000, 54], `${name}-truth`)));
    await victim.probe.unlisten({ protocol: 'udp', port: 55 });
  });
});

it('a pod can claim no address but its own by ARP', async () => {
  const claim = (operation: 'request' | 'reply', senderIp: string, more: { readonly mac?: string; readonly sender?: string; readonly targetIp?: string } = {}): Uint8Array =>
    packet(ethernet({ source: more.mac ?? stranger.mac, destination: 'ff:ff:ff:ff:ff:ff' }), arp({ operation, senderMac: more.sender ?? stranger.mac, senderIp, targetIp: more.targetIp ?? '10.244.0.1', targetMac: stranger.hostMac }));
  await refusedFor(arena, REASON.sourceIp, 5, () => {
    stranger.socket.send(claim('reply', friend.ipv4));
    stranger.socket.send(claim('request', friend.ipv4));
    stranger.socket.send(claim('reply', '10.244.0.1'));
    stranger.socket.send(claim('request', friend.ipv4, { targetIp: friend.ipv4 }));
    // A probe (RFC 5227) claims its target.
    stranger.socket.send(claim('request', '0.0.0.0', { targetIp: friend.ipv4 }));
  });
  await refusedFor(arena, REASON.sourceMac, 2, () => {
    stranger.socket.send(claim('reply', stranger.ipv4, { sender: friend.mac }));
    stranger.socket.send(claim('reply', stranger.ipv4, { mac: friend.mac }));
  });
  // Asked properly, the gateway answers with the veth's own MAC.
  stranger.socket.send(claim('request', stranger.ipv4));
  const answers = () => stranger.tap.frames().filter((frame) => frame[12] === 0x08 && frame[13] === 0x06 && frame[21] === 2);
  await expect.poll(() => answers().length, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(Buffer.from(answers()[0]!.subarray(22, 28)).toString('hex')).toBe(stranger.hostMac.replaceAll(':', ''));
  const neighbours = await arena.node.exec('ip', '-o', 'neigh', 'show');
  expect(neighbours).toMatch(new RegExp(`^${friend.ipv4.replaceAll('.', '\\.')} .*lladdr ${friend.mac}`, 'm'));
});

it('a pod can claim no address but its own by neighbour discovery', async () => {
  const own = linkLocalOf(stranger.mac);
  const advertise = (source: string, target: string, linkLayer = stranger.mac) => link(source, 'ff02::1', stranger, neighbourAdvertisement({ target, linkLayer }));
  await refusedFor(arena, REASON.sourceIp, 6, () => {
    stranger.socket.send(advertise(own, friend.ipv6));
    stranger.socket.send(advertise(stranger.ipv6, friend.ipv6));
    stranger.socket.send(advertise(friend.ipv6, friend.ipv6));
    stranger.socket.send(advertise(own, 'fe80::1'));
    stranger.socket.send(advertise(stranger.ipv6, 'fe80::1'));
    stranger.socket.send(link(friend.ipv6, 'fe80::1', stranger, neighbourSolicitation({ target: 'fe80::1', linkLayer: stranger.mac })));
  });
  await refusedFor(arena, REASON.sourceMac, 2, () => {
    stranger.socket.send(advertise(stranger.ipv6, stranger.ipv6, friend.mac));
    stranger.socket.send(link(stranger.ipv6, 'fe80::1', stranger, neighbourSolicitation({ target: 'fe80::1', linkLayer: friend.mac })));
  });
  const neighbours = await arena.node.exec('ip', '-6', '-o', 'neigh', 'show');
  expect(neighbours).toMatch(new RegExp(`^${friend.ipv6} .*lladdr ${friend.mac}`, 'm'));
});

it("a pod can not pass for the gateway's link-local address", async () => {
  stranger.socket.send(link('fe80::1', 'ff02::1', stranger, neighbourAdvertisement({ target: 'fe80::1', linkLayer: stranger.mac })));
  await refusedFor(arena, REASON.sourceIp, 1, () => stranger.socket.send(datagram(stranger, 6, { address: victim.ipv6, port: 53, text: 'gateway-lie' }, { source: 'fe80::1' })));
  expect(victim.tap.count('gateway-lie')).toBe(0);
  expect(await arena.node.exec('ip', '-6', '-o', 'neigh', 'show')).not.toMatch(/^fe80::1 /m);
  for (const pod of [stranger, friend]) expect((await pod.probe.ping({ address: 'fe80::1%eth0', source: pod.ipv6, timeoutMs: 5000 })).outcome).toBe('ok');
});

it('a pod can not play router', async () => {
  const routes = await arena.node.exec('ip', '-6', 'route', 'show', 'default');
  const own = linkLocalOf(stranger.mac);
  await refusedFor(arena, REASON.forbiddenIcmp6, 5, () => {
    stranger.socket.send(link(own, 'ff02::1', stranger, routerAdvertisement()));
    stranger.socket.send(link(stranger.ipv6, 'ff02::1', stranger, routerAdvertisement()));
    stranger.socket.send(link(stranger.ipv6, friend.ipv6, stranger, routerAdvertisement()));
    stranger.socket.send(link('fe80::1', 'ff02::1', stranger, routerAdvertisement()));
    stranger.socket.send(link(stranger.ipv6, friend.ipv6, stranger, icmpv6({ type: 137, rest: 0 }), payload(32)));
  });
  expect(friend.tap.frames().some((frame) => frame[12] === 0x86 && (frame[54] === 134 || frame[54] === 137))).toBe(false);
  expect(await arena.node.exec('ip', '-6', 'route', 'show', 'default')).toBe(routes);
});
