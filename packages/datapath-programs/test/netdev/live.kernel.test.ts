import { parseCidr } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { createTestbed, type Outside, type Probe, type Testbed } from '@cilium-ts/testbed';
import { probe as probeFeature } from 'libbpf-napi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen, openLiveNode, type LiveNode } from './live-node.ts';

const VIP = { 4: '198.18.50.1', 6: '2001:db8:50::1' } as const;
const FAMILIES = [{ family: 4 }, { family: 6 }] as const;
const PROTOCOLS = ['tcp', 'udp'] as const;
const BIG = 'x'.repeat(4000);
let testbed: Testbed;
let outside: Outside;
let one: LiveNode;
let two: LiveNode;
let client: Probe;

beforeAll(async () => {
  testbed = createTestbed({ name: 'netdev' });
  outside = await testbed.createOutside();
  one = await openLiveNode(testbed, outside, { name: 'one', pods: 2 });
  two = await openLiveNode(testbed, outside, { name: 'two', pods: 1, attachMode: 'clsact' });
  // nodes reach each other's pods, clients outside do not know of them: they come from the documentation addresses
  for (const prefix of [`10.${two.node.index + 1}.0.0/24`, `fd00:${two.node.index + 1}::/64`]) await outside.route(prefix, two.node);
  for (const vip of [VIP[4], VIP[6]]) await outside.route(vip, one.node);
  // behind the router: a packet of its own that comes back to it would be a forgery to the outside
  const behind = await testbed.createNode('client');
  await outside.connect(behind);
  client = await behind.probe();
  for (const pod of [...one.pods, ...two.pods]) await listen(pod.place, 8080);
  await listen(outside, 9000, outside.addresses);
  const flags = { snat: 0, dsr: SERVICE_FLAG.DSR };
  for (const { services } of [one, two]) {
    for (const { family } of FAMILIES) {
      const [local, remote] = family === 4 ? [one.pods[0]!.ipv4, two.pods[0]!.ipv4] : [one.pods[0]!.ipv6, two.pods[0]!.ipv6];
      for (const protocol of [6, 17]) {
        services.addService({ port: 30_080, protocol, backends: [{ address: local, port: 8080 }] });
        services.addService({ port: 30_081, protocol, flags: flags.snat, backends: [{ address: remote, port: 8080 }] });
        services.addService({ port: 30_082, protocol, flags: flags.dsr, backends: [{ address: remote, port: 8080 }] });
        services.addService({ port: 30_083, protocol, backends: [{ address: family === 4 ? one.uplink.nodeIpv4 : one.uplink.nodeIpv6, port: 9090 }] });
        services.addService({ port: 30_084, protocol, backends: [{ address: local, port: 7 }] });
        services.addService({ address: VIP[family], port: 80, protocol, backends: [{ address: local, port: 8080 }] });
        services.addService({ address: VIP[family], port: 81, protocol, backends: [{ address: remote, port: 8080 }] });
        services.addService({ address: VIP[family], port: 82, protocol, flags: flags.dsr, backends: [{ address: remote, port: 8080 }] });
        services.addService({ address: VIP[family], port: 83, protocol, family, backends: [] });
      }
    }
  }
});
afterAll(async () => {
  await one?.close();
  await two?.close();
  await testbed.close();
});

const nodeAddress = (family: 4 | 6): string => (family === 4 ? one.uplink.nodeIpv4 : one.uplink.nodeIpv6);
const outsideAddress = (family: 4 | 6): string => outside.addresses.find((address) => address.includes(':') === (family === 6))!;

test('tcx where the kernel has it, clsact where that is asked for', () => {
  expect([one.mode, two.mode]).toEqual([probeFeature({ kind: 'tcx' }).supported ? 'tcx' : 'clsact', 'clsact']);
});

describe.each(FAMILIES)('IPv$family', ({ family }) => {
  test('pods reach the outside, which knows nothing of them: TCP, UDP, fragments, echo', async () => {
    const pod = await one.pods[0]!.place.probe();
    const target = { address: outsideAddress(family), port: 9000 };
    expect(await pod.connect(target)).toMatchObject({ outcome: 'ok' });
    expect(await pod.connect({ ...target, payload: BIG.repeat(50) })).toMatchObject({ outcome: 'ok' });
    expect(await pod.udp(target)).toMatchObject({ outcome: 'ok' });
    expect(await pod.udp({ ...target, payload: BIG })).toMatchObject({ outcome: 'ok' });
    expect(await pod.ping({ address: target.address })).toMatchObject({ outcome: 'ok' });
    expect(await pod.ping({ address: target.address, size: 4000 })).toMatchObject({ outcome: 'ok' });
    expect(one.allocated()).toBeGreaterThanOrEqual(5);
    // errors from outside arrive: nobody listens, nothing lies there
    expect(await pod.udp({ ...target, port: 9999 })).toMatchObject({ outcome: 'refused' });
    expect(await pod.connect({ ...target, port: 9999 })).toMatchObject({ outcome: 'refused' });
  });

  test('many connections at once, from two pods to one place, do not meet', async () => {
    const pods = await Promise.all(one.pods.map(({ place }) => place.probe()));
    const target = { address: outsideAddress(family), port: 9000 };
    const attempts = await Promise.all(Array.from({ length: 60 }, (_, at) => pods[at % 2]!.connect({ ...target, timeoutMs: 10_000, payload: `mine ${at}`, localPort: 62_000 + (at >> 1) })));
    expect(attempts.map(({ outcome }) => outcome)).toEqual(attempts.map(() => 'ok'));
  });

  test('the node itself and its pods may use the same port to the same place', async () => {
    const pod = await one.pods[0]!.place.probe();
    const own = await one.node.probe();
    const target = { kind: 'tcp', address: outsideAddress(family), port: 9000, localPort: 61_500 } as const;
    const first = await pod.startFlow(target);
    const second = await own.startFlow(target);
    await expect.poll(async () => (await Promise.all([first.stats(), second.stats()])).map(({ received }) => received > 5), { timeout: 20_000 }).toEqual([true, true]);
    expect((await Promise.all([first.stop(), second.stop()])).map(({ broken }) => broken)).toEqual([undefined, undefined]);
  });

  describe.each(PROTOCOLS)('%s', (protocol) => {
    const reach = async (address: string, port: number, payload?: string) =>
      (await (protocol === 'tcp' ? client.connect({ address, port, timeoutMs: 5000, ...(payload && { payload }) }) : client.udp({ address, port, timeoutMs: 5000, ...(payload && { payload }) }))).outcome;

    test.each([
      { what: 'a NodePort, backend here', port: 30_080 },
      { what: 'a NodePort, backend on another node', port: 30_081 },
      { what: 'a NodePort, backend on another node, direct return', port: 30_082 },
    ])('$what', async ({ port }) => {
      expect(await reach(nodeAddress(family), port)).toBe('ok');
      expect(await reach(nodeAddress(family), port)).toBe('ok');
      expect(await reach(nodeAddress(family), port, protocol === 'tcp' ? BIG.repeat(50) : 'x'.repeat(1200))).toBe('ok');
    });

    test.each([
      { what: 'here', port: 80 },
      { what: 'on another node', port: 81 },
      { what: 'on another node, direct return', port: 82 },
    ])('a load balancer’s address, backend $what', async ({ port }) => {
      expect(await reach(VIP[family], port)).toBe('ok');
      expect(await reach(VIP[family], port, protocol === 'tcp' ? BIG.repeat(50) : 'x'.repeat(1200))).toBe('ok');
    });

    test('datagrams in fragments', async () => {
      if (protocol === 'tcp') return expect(await reach(VIP[family], 80)).toBe('ok');
      expect(await reach(VIP[family], 80, BIG)).toBe('ok');
      expect(await reach(VIP[family], 81, BIG)).toBe('ok');
    });

    test('a process of the node behind its NodePort', async () => {
      await (await one.node.probe()).listen({ protocol, port: 9090, addresses: [nodeAddress(family)] });
      expect(await reach(nodeAddress(family), 30_083)).toBe('ok');
      await (await one.node.probe()).unlisten({ protocol, port: 9090 });
    });

    test('a closed port of the backend, and a service without one, are refused', async () => {
      expect(await reach(nodeAddress(family), 30_084)).toBe('refused');
      expect(await reach(VIP[family], 83)).toMatch(/refused|unreachable/);
      expect(await reach(VIP[family], 84)).toMatch(/timeout|refused|unreachable/);
    });
  });

  test('large packets: the client hears what fits where the frontend is to travel along', async () => {
    expect(await client.udp({ address: VIP[family], port: 82, timeoutMs: 5000, payload: 'x'.repeat(1472 - (family === 4 ? 0 : 20)) })).toMatchObject({ outcome: expect.stringMatching(/timeout|too-big|failed/) });
    // having heard, the kernel cuts it up
    expect(await client.udp({ address: VIP[family], port: 82, timeoutMs: 5000, payload: 'x'.repeat(1472 - (family === 4 ? 0 : 20)) })).toMatchObject({ outcome: 'ok' });
  });
});

// it copies most packets, and the copies come to tc without their Ethernet header
test.each(FAMILIES)('behind generic XDP they see the packets as they see them without it, IPv$family', async ({ family }) => {
  await using _first = await one.attachGenericXdp();
  await using _second = await two.attachGenericXdp();
  for (const port of [30_080, 30_081, 30_082]) {
    const target = { address: nodeAddress(family), port, timeoutMs: 5000 };
    expect([port, await client.connect({ ...target, payload: BIG.repeat(50) })]).toMatchObject([port, { outcome: 'ok' }]);
    expect([port, await client.udp(target)]).toMatchObject([port, { outcome: 'ok' }]);
  }
  expect(await client.udp({ address: VIP[family], port: 80, timeoutMs: 5000, payload: BIG })).toMatchObject({ outcome: 'ok' });
  for (const { pods } of [one, two]) {
    const pod = await pods[0]!.place.probe();
    expect(await pod.connect({ address: outsideAddress(family), port: 9000, payload: BIG.repeat(50) })).toMatchObject({ outcome: 'ok' });
    expect(await pod.ping({ address: outsideAddress(family), size: 4000 })).toMatchObject({ outcome: 'ok' });
  }
});

test('programs are replaced under traffic, taken off and put back', async () => {
  const pod = await one.pods[0]!.place.probe();
  const flow = await pod.startFlow({ kind: 'tcp', address: outsideAddress(4), port: 9000 });
  for (let i = 0; i < 5; i++) one.attach();
  await one.programs.setMasqueradeExclusions([parseCidr('10.0.0.0/8')!]);
  await expect.poll(async () => (await flow.stats()).received, { timeout: 20_000 }).toBeGreaterThan(5);
  expect((await flow.stop()).broken).toBeUndefined();
  expect(one.detach()).toBe(true);
  expect(one.detach()).toBe(false);
  expect(await client.connect({ address: nodeAddress(4), port: 30_080 })).toMatchObject({ outcome: 'refused' });
  one.attach();
  expect(await client.connect({ address: nodeAddress(4), port: 30_080 })).toMatchObject({ outcome: 'ok' });
});
