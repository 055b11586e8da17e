import { writeSysctl } from '@cilium-ts/netlink';
import { ethernet, packet, payload, udp } from '@cilium-ts/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { arrives, cnp, datagram, enforce, FAMILIES, ip, openArena, PATIENCE, REASON, refusedFor, tap } from './support/arena.ts';
import type { Arena, ArmedPod, Family, Tap } from './support/arena.ts';

/** Everything but the node. */
const NOT_HOST = cnp('pod', `
  endpointSelector: {matchLabels: {app: pod}}
  egress:
    - toEntities: [world, cluster]
    - toCIDR: [198.18.0.0/15, "2001:db8:18::/48"]
  egressDeny:
    - toEntities: [host]
  ingress:
    - fromEntities: [host]
`);
/** The node, but not the world. */
const ONLY_HOST = cnp('pod', `
  endpointSelector: {matchLabels: {app: pod}}
  egress:
    - toEntities: [host]
  ingress:
    - fromEntities: [host]
`);

let arena: Arena;
let pod: ArmedPod;
/** What leaves the node, and what gets into it from the pod. */
let uplink: Tap;

beforeAll(async () => {
  arena = await openArena('host');
  pod = await arena.armed('pod');
  uplink = await tap(arena.outside, 'to-0');
  await enforce(arena, NOT_HOST);
  for (const device of ['all', 'eth0']) {
    writeSysctl(`net.ipv4.conf.${device}.rp_filter`, 0, { netns: arena.node.netns });
    writeSysctl(`net.ipv4.conf.${device}.accept_local`, 1, { netns: arena.node.netns });
  }
});
afterAll(() => arena[Symbol.asyncDispose]());

/** Counts datagrams with this port that the node's own stack takes in, whoever listens. */
const accepted = async (port: number): Promise<number> => Number(/packets (\d+)/.exec(await arena.node.exec('nft', 'list', 'counter', 'inet', 'watch', `port${port}`))![1]);
const watchPort = (port: number): Promise<string> =>
  arena.node.exec('nft', `add table inet watch; add counter inet watch port${port}; add chain inet watch in { type filter hook input priority -10; }; add rule inet watch in udp dport ${port} counter name port${port}`);

const atNode = (family: Family, address: string, port: number, text: string): Uint8Array => datagram(pod, family, { address, port, text });

const device = () => `lxc of ${pod.id}: ${pod.endpoint.status.networking['interface-name']}`;
const hostDevice = () => pod.endpoint.status.networking['interface-name'];

describe('host services', () => {
  it("are the host's by each of its addresses: router, uplink, link-local of the veth and of others", async () => {
    const port = 6000;
    await watchPort(port);
    await arena.node.exec('ip', 'addr', 'add', '169.254.7.7/32', 'dev', hostDevice());
    const reachable = [[4, '10.244.0.1'], [4, '192.0.2.2'], [4, '169.254.7.7'], [6, 'fd00:10:244::1'], [6, 'fd00:c1::2'], [6, 'fe80::1'], [6, 'fe80::2']] as const;
    for (const [family, address] of reachable) await refusedFor(arena, REASON.policyDeny, 1, () => pod.socket.send(atNode(family, address, port, 'host-lie')));
    expect(await accepted(port), device()).toBe(0);
    await refusedFor(arena, REASON.unknownTarget, 2, () => {
      pod.socket.send(atNode(4, '127.0.0.1', port, 'host-lie'));
      pod.socket.send(atNode(6, '::1', port, 'host-lie'));
    });
    // The same packets do get there where policy lets them.
    await enforce(arena, ONLY_HOST);
    for (const [family, address] of reachable.filter(([, each]) => each !== 'fe80::2')) pod.socket.send(atNode(family, address, port, 'host-truth'));
    await expect.poll(() => accepted(port), { timeout: PATIENCE }).toBe(reachable.length - 1);
    await enforce(arena, NOT_HOST);
  });

  it('by TCP through the link-local gateway follow policy both ways', async () => {
    const node = await arena.node.probe();
    await node.listen({ protocol: 'tcp', port: 4240 });
    const attempt = async () => (await pod.probe.connect({ address: 'fe80::1%eth0', port: 4240, localAddress: pod.ipv6, timeoutMs: 1500 })).outcome;
    expect(await attempt()).toBe('timeout');
    await enforce(arena, ONLY_HOST);
    expect(await attempt()).toBe('ok');
    await enforce(arena, NOT_HOST);
    expect(await attempt()).toBe('timeout');
    await node.unlisten({ protocol: 'tcp', port: 4240 });
  });
});

describe.each(FAMILIES)('an address that the node gets later, IPv%i', (family) => {
  const late = family === 4 ? { plain: '203.0.113.77', inPrefix: '198.18.0.77', world: '203.0.113.20' } : { plain: '2001:db8:113::77', inPrefix: '2001:db8:18::77', world: '2001:db8:113::20' };
  const HOST_AT_ONCE = [late.plain, late.inPrefix];
  const change = (what: 'add' | 'del', address: string) => arena.node.exec('ip', 'addr', what, `${address}/${family === 4 ? 32 : 128}`, 'dev', 'eth0', ...(what === 'add' && family === 6 ? ['nodad'] : []));
  const added = new Set<string>();
  const add = async (address: string): Promise<void> => {
    await change('add', address);
    added.add(address);
    // The kernel puts an IPv6 address in its table from a work queue: only then is it the node's.
    await expect.poll(() => arena.node.exec('ip', 'route', 'get', address), { timeout: PATIENCE }).toMatch(/^local /);
  };
  const remove = async (address: string): Promise<void> => {
    added.delete(address);
    await change('del', address);
  };
  const kindOf = async (address: string) => (await arena.client.listBpfAddresses()).find(({ prefix }) => prefix.startsWith(`${address}/`))?.kind;
  afterEach(async () => {
    for (const address of [...added]) await remove(address);
    for (const address of [late.plain, late.inPrefix]) await expect.poll(() => kindOf(address), { timeout: PATIENCE }).not.toBe('host');
  });

  it("is the host's at once, even while the agent sleeps", async () => {
    const port = 6100 + family;
    await watchPort(port);
    const agent = arena.agent.pid;
    // Read before the agent stops: it serves the counters.
    pod.socket.send(atNode(family, late.world, port, `world${family}`));
    await arrives(uplink, `world${family}`);
    process.kill(agent, 'SIGSTOP');
    try {
      for (const address of HOST_AT_ONCE) {
        await add(address);
        for (let n = 0; n < 5; n++) pod.socket.send(atNode(family, address, port, 'late-lie'));
      }
      // Something of the same pod that passes comes after them in the queue.
      pod.socket.send(atNode(family, late.world, port, `later${family}`));
      await arrives(uplink, `later${family}`);
      expect(await accepted(port)).toBe(0);
    } finally {
      process.kill(agent, 'SIGCONT');
    }
    for (const address of HOST_AT_ONCE) {
      await refusedFor(arena, REASON.policyDeny, 1, () => pod.socket.send(atNode(family, address, port, 'late-lie')));
    }
  });

  it('is not for a flow that went to it while it was somewhere else', async () => {
    const port = 6200 + family;
    await watchPort(port);
    for (const address of [late.plain, late.inPrefix]) {
      pod.socket.send(atNode(family, address, port, `gone${family}-${address}`));
      await arrives(uplink, `gone${family}-${address}`);
      await add(address);
      await expect.poll(() => kindOf(address), { timeout: PATIENCE }).toBe('host');
      await refusedFor(arena, REASON.policyDeny, 3, () => { for (let n = 0; n < 3; n++) pod.socket.send(atNode(family, address, port, 'late-lie')); });
      expect(await accepted(port)).toBe(0);
      await remove(address);
      // And it is the world's again when the node has it no more.
      await expect.poll(() => kindOf(address), { timeout: PATIENCE }).not.toBe('host');
      pod.socket.send(atNode(family, address, port, `again${family}-${address}`));
      await arrives(uplink, `again${family}-${address}`);
    }
  });

  it('is a source that the host may use at once, and that nobody else can', async () => {
    const agent = arena.agent.pid;
    await pod.probe.listen({ protocol: 'udp', port: 6300 + family, addresses: [pod.address(family)] });
    const node = await arena.node.probe();
    process.kill(agent, 'SIGSTOP');
    try {
      await add(late.plain);
      expect((await node.udp({ address: pod.address(family), port: 6300 + family, localAddress: late.plain, timeoutMs: 5000 })).outcome).toBe('ok');
    } finally {
      process.kill(agent, 'SIGCONT');
    }
    const macs = { source: (await arena.outside.netlink.getLink('to-0'))!.mac!.text, destination: (await arena.node.netlink.getLink('eth0'))!.mac!.text };
    const wire = await arena.outside.frames('to-0');
    const forged = packet(ethernet(macs), ip(family, { source: late.plain, destination: pod.address(family) }), udp({ sourcePort: 9, destinationPort: 6300 + family }), payload('late-source-lie'));
    await refusedFor(arena, REASON.policy, 1, () => wire.send(forged));
    wire.close();
    expect(pod.tap.count('late-source-lie')).toBe(0);
    await pod.probe.unlisten({ protocol: 'udp', port: 6300 + family });
  });
});
