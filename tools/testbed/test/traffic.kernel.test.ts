import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { createTestbed, monotonicMs } from '../src/index.ts';
import type { Outside, Pod, Probe, Testbed, TestbedNode, Uplink } from '../src/index.ts';
import { cidr } from '../src/addresses.ts';

let testbed: Testbed;
let node: TestbedNode;
let outside: Outside;
let uplink: Uplink;
let pods: readonly [Pod, Pod];
let from: Probe;
let to: Probe;
let world: Probe;

const A = { ipv4: '10.1.0.1', ipv6: 'fd00:10::1' } as const;
const B = { ipv4: '10.1.0.2', ipv6: 'fd00:10::2' } as const;
const PATIENT = { timeout: 10_000 };

beforeAll(async () => {
  testbed = createTestbed({ name: 'traffic' });
  node = await testbed.createNode('n1');
  outside = await testbed.createOutside();
  uplink = await outside.connect(node);
  await outside.route('10.1.0.0/24', node);
  await outside.route('fd00:10::/64', node);
  pods = [await node.createPod('a'), await node.createPod('b')];
  await node.connectPlainly(pods[0], A);
  await node.connectPlainly(pods[1], B);
  [from, to, world] = await Promise.all([pods[0].probe(), pods[1].probe(), outside.probe()]);
  for (const protocol of ['tcp', 'udp'] as const) {
    await to.listen({ protocol, port: 80 });
    await world.listen({ protocol, port: 80, addresses: outside.addresses });
    await (await node.probe()).listen({ protocol, port: 80, addresses: [uplink.nodeIpv4, uplink.nodeIpv6] });
  }
});
afterAll(() => testbed.close());

const outcomes = async (address: string, port = 80, timeoutMs = 1000) => {
  const attempts = await Promise.all([from.connect({ address, port, timeoutMs }), from.udp({ address, port, timeoutMs }), from.ping({ address, timeoutMs })]);
  return attempts.map((attempt) => attempt.outcome);
};

describe('reaches', () => {
  it('the other pod, the node and the outside, over IPv4 and IPv6', async () => {
    for (const address of [B.ipv4, B.ipv6, uplink.nodeIpv4, uplink.nodeIpv6, uplink.outsideIpv4, uplink.outsideIpv6].slice(0, 4)) {
      expect([address, await outcomes(address)]).toEqual([address, ['ok', 'ok', 'ok']]);
    }
    for (const address of outside.addresses) expect([address, await outcomes(address)]).toEqual([address, ['ok', 'ok', 'ok']]);
  });

  it('the pod from outside', async () => {
    for (const address of [B.ipv4, B.ipv6]) expect((await world.connect({ address, port: 80 })).outcome).toBe('ok');
  });

  it('from the local port asked for', async () => {
    for (const address of [B.ipv4, B.ipv6]) {
      expect(await from.connect({ address, port: 80, localPort: 40_001 })).toMatchObject({ outcome: 'ok', connected: true, local: { port: 40_001 } });
      expect(await from.udp({ address, port: 80, localPort: 40_001 })).toMatchObject({ outcome: 'ok', local: { port: 40_001 } });
    }
  });

  it('with payloads that need many packets', async () => {
    expect((await from.connect({ address: B.ipv6, port: 80, payload: 'x'.repeat(300_000), timeoutMs: 5000 })).outcome).toBe('ok');
    expect((await from.udp({ address: B.ipv4, port: 80, payload: 'x'.repeat(4000) })).outcome).toBe('ok');
    expect((await from.ping({ address: B.ipv6, size: 4000 })).outcome).toBe('ok');
  });
});

describe('tells apart', () => {
  it('a closed port', async () => {
    for (const address of [B.ipv4, B.ipv6]) expect((await outcomes(address, 81)).slice(0, 2)).toEqual(['refused', 'refused']);
  });

  it('silence, an unreachable destination and a prohibited one', async () => {
    await node.netlink.addRoute({ destination: cidr('10.9.0.1/32'), type: 'blackhole' });
    for (const [text, type] of [['10.9.0.2/32', 'unreachable'], ['fd00:9::2/128', 'unreachable'], ['10.9.0.3/32', 'prohibit'], ['fd00:9::3/128', 'prohibit']] as const) {
      await node.netlink.addRoute({ destination: cidr(text), type });
    }
    expect(await outcomes('10.9.0.1', 80, 200)).toEqual(['timeout', 'timeout', 'timeout']);
    // The kernel may keep an ICMP error on the first SYN to itself; it tells with the second, a second later.
    const [unreachable4, unreachable6, prohibited4, prohibited6] = await Promise.all(
      ['10.9.0.2', 'fd00:9::2', '10.9.0.3', 'fd00:9::3'].map(async (address) => {
        const attempts = await Promise.all([from.connect({ address, port: 80, timeoutMs: 5000 }), from.ping({ address })]);
        return attempts.map((attempt) => attempt.outcome);
      }),
    );
    expect([unreachable4, unreachable6]).toEqual([['unreachable', 'unreachable'], ['unreachable', 'unreachable']]);
    // A prohibition reaches an IPv4 connection as EHOSTUNREACH, an IPv6 one as EACCES.
    expect([prohibited4, prohibited6]).toEqual([['unreachable', 'prohibited'], ['prohibited', 'prohibited']]);
  });

  it('a packet that has lived too long', async () => {
    for (const address of [B.ipv4, B.ipv6]) expect((await from.ping({ address, ttl: 1 })).outcome).toBe('ttl-exceeded');
  });
});

describe('sustained traffic', () => {
  it('counts messages of a connection, and how it ends', async () => {
    await to.listen({ protocol: 'tcp', port: 90 });
    const flow = await from.startFlow({ kind: 'tcp', address: B.ipv6, port: 90, intervalMs: 2 });
    let stats = await flow.stats();
    while (stats.received < 20) stats = await flow.stats();
    expect(stats.broken).toBeUndefined();
    expect(stats.sent).toBeGreaterThanOrEqual(stats.received);
    expect(stats.lastOkAt).toBeLessThanOrEqual(monotonicMs());
    await to.unlisten({ protocol: 'tcp', port: 90 });
    while (!stats.broken) stats = await flow.stats();
    expect(['EOF', 'ECONNRESET']).toContain(stats.broken.code);
    await flow.stop();
  });

  /** Runs `end` while a client that is stopped has echoes unread, then has it go on, and tells how its connection ended. */
  const endedUnread = async (port: number, address: string, end: () => Promise<unknown>): Promise<string> => {
    const queues = async (pod: Pod, at: 'sport' | 'dport') => (await pod.exec('ss', '-Htn', 'state', 'established', at, '=', `:${port}`)).split(/\s+/).map(Number);
    const flow = await from.startFlow({ kind: 'tcp', address, port, intervalMs: 20 });
    try {
      while ((await flow.stats()).received < 2);
      process.kill(to.pid, 'SIGSTOP');
      const { sent } = await flow.stats();
      while ((await flow.stats()).sent < sent + 3);
      process.kill(from.pid, 'SIGSTOP');
      process.kill(to.pid, 'SIGCONT');
      await expect.poll(async () => (await queues(pods[0], 'dport'))[0], PATIENT).toBeGreaterThan(0);
      // All is acknowledged: nothing is sent any more.
      await expect.poll(async () => (await queues(pods[1], 'sport'))[1], PATIENT).toBe(0);
      await end();
      // Its next message is due when it goes on, and comes before it reads.
      await new Promise((resolve) => setTimeout(resolve, 50));
      process.kill(from.pid, 'SIGCONT');
      await expect.poll(async () => (await flow.stats()).broken?.code, PATIENT).toBeDefined();
      return (await flow.stats()).broken!.code;
    } finally {
      for (const { pid } of [to, from]) process.kill(pid, 'SIGCONT');
      await flow.stop();
    }
  };

  it.each([4, 6] as const)('tells a reset from a FIN to a client that has something to read, IPv%i', async (family) => {
    const address = family === 4 ? B.ipv4 : B.ipv6;
    const cut = { destination: cidr(family === 4 ? `${A.ipv4}/32` : `${A.ipv6}/128`), type: 'blackhole', table: 8 } as const;
    const rule = { family, priority: 1, table: 8 } as const;
    onTestFinished(() => to.unlisten({ protocol: 'tcp', port: 91 }));
    await to.listen({ protocol: 'tcp', port: 91 });
    // The first reset is lost: it is the client's next message that is answered by one, before the client reads the echoes.
    const forget = async () => {
      await node.netlink.addRoute(cut);
      await node.netlink.addRule(rule);
      const killed = await pods[1].exec('ss', '-K', '-Htn', 'sport', '=', ':91').finally(() => node.netlink.deleteRule(rule));
      await node.netlink.deleteRoute(cut);
      expect(killed).toContain(':91');
    };
    expect(await endedUnread(91, address, forget)).toBe('ECONNRESET');
    expect(await endedUnread(91, address, () => to.unlisten({ protocol: 'tcp', port: 91 }))).toBe('EOF');
  });

  it('shows a one-way stream stopping and going on, with the numbers that were lost', async () => {
    const flow = await from.startFlow({ kind: 'udp', address: B.ipv4, port: 80, intervalMs: 1 });
    const received = async () => (await to.streams(80))[flow.stream]?.received ?? 0;
    const wait = async (more: number) => { for (const start = await received(); (await received()) < start + more; ); };
    await wait(10);
    const cut = { destination: cidr('10.1.0.2/32'), type: 'blackhole', table: 7 } as const;
    await node.netlink.addRoute(cut);
    await node.netlink.addRule({ family: 4, priority: 1, table: 7 });
    const sent = (await flow.stats()).sent;
    while ((await flow.stats()).sent < sent + 20);
    await node.netlink.deleteRule({ family: 4, priority: 1, table: 7 });
    await wait(10);
    const { sent: all } = await flow.stop();
    const stats = (await to.streams(80))[flow.stream]!;
    expect(stats).toMatchObject({ first: 1 });
    expect(stats.missing).toBeGreaterThanOrEqual(10);
    expect(stats.longestSilenceMs).toBeGreaterThan(5);
    expect(stats.received + stats.missing).toBe(stats.last);
    expect(stats.last).toBeLessThanOrEqual(all);
    await node.netlink.deleteRoute(cut);
  });

  it('counts new connections and datagrams by outcome', async () => {
    for (const kind of ['connections', 'datagrams'] as const) {
      const good = await from.startFlow({ kind, address: B.ipv4, port: 80, intervalMs: 2 });
      const bad = await from.startFlow({ kind, address: B.ipv6, port: 81, intervalMs: 2 });
      while ((await good.stats()).received < 20 || ((await bad.stats()).outcomes.refused ?? 0) < 20);
      const [passed, refused] = [await good.stop(), await bad.stop()];
      expect(Object.keys(passed.outcomes)).toEqual(['ok']);
      expect(passed).toMatchObject({ missing: 0, received: passed.outcomes.ok });
      expect(Object.keys(refused.outcomes)).toEqual(['refused']);
      expect(refused.firstFailureAt).toBeLessThanOrEqual(monotonicMs());
    }
  });
});

it('sends and sees raw frames', async () => {
  using near = await pods[0].frames('eth0');
  using far = await node.frames((await node.netlink.listLinks({ kind: 'veth' })).find((link) => link.name.startsWith('plain'))!.name);
  const frame = new Uint8Array(64).fill(0x5a);
  frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
  expect(near.send(frame)).toBe(true);
  for (let seen = false; !seen; ) {
    await new Promise((resolve) => setImmediate(resolve));
    seen = far.receive().some(({ bytes }) => bytes[12] === 0x88 && bytes[13] === 0xb5 && bytes[20] === 0x5a);
  }
});

it('says when a command or a probe fails', async () => {
  expect(await node.exec('cat', '/proc/net/dev')).toContain('eth0');
  await expect(node.exec('false')).rejects.toThrow();
  await expect(to.listen({ protocol: 'tcp', port: 80 })).rejects.toThrow(/already listening/);
  await expect(from.listen({ protocol: 'tcp', port: 80, addresses: ['203.0.113.99'] })).rejects.toThrow(/EADDRNOTAVAIL/);
  await expect(pods[0].frames('missing')).rejects.toThrow('open frames of a: no device missing');
});
