import { openPacketSocket } from '@cilium-ts/netlink';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attachPod, linkLocal, Peer, pings, prepareNode, removePod, ROUTER4, ROUTER6, runIn, type LivePod } from './live.ts';
import { ALLOW, DENY, OPEN, Sandbox, type Policy, type Row } from './sandbox.ts';

const A = { slot: 1, identity: 1001, ipv4: '10.0.0.1', ipv6: 'fd00::1', mac: '02:00:00:00:01:01', hostMac: '02:00:00:00:01:02' };
const B = { slot: 2, identity: 1002, ipv4: '10.0.0.2', ipv6: 'fd00::2', mac: '02:00:00:00:02:01', hostMac: '02:00:00:00:02:02' };
const CLOSED: Policy = { ingress: { any: DENY }, egress: { any: ALLOW } };
const WEB: Row = [[0, 'default'], [6 * 65536 + 80, 'allow'], [6 * 65536 + 81, 'default']];

let sandbox: Sandbox;
let a: LivePod;
let b: LivePod;
let peers: Peer[];
const peer = (pod: LivePod): Peer => {
  const made = new Peer(pod.netns);
  peers.push(made);
  return made;
};

beforeEach(async () => {
  peers = [];
  sandbox = await Sandbox.open();
  await prepareNode(sandbox);
  a = await attachPod(sandbox, A, OPEN);
  b = await attachPod(sandbox, B, OPEN);
});

afterEach(() => {
  for (const each of peers) each.close();
  removePod(a);
  removePod(b);
  sandbox.close();
});

describe.each([
  { family: 4, from: A.ipv4, to: B.ipv4, router: ROUTER4 },
  { family: 6, from: A.ipv6, to: B.ipv6, router: ROUTER6 },
])('pods over IPv$family', ({ from, to, router, family }) => {
  test('ping each other, large and in fragments too', () => {
    expect(pings(a.netns, to)).toBe(true);
    expect(pings(b.netns, from)).toBe(true);
    expect(pings(a.netns, to, ['-s', '4000'])).toBe(true);
  });

  test('ping the node by its router address, and the node them', () => {
    expect(pings(a.netns, router)).toBe(true);
    expect(pings(sandbox.node, from)).toBe(true);
  });

  test('connect where policy allows the port, and nowhere else', async () => {
    sandbox.setPolicy(b, { ingress: { any: WEB }, egress: { any: ALLOW } });
    const [client, server] = [peer(a), peer(b)];
    expect(await server.listen(to, 80)).toBe('ok');
    expect(await server.listen(to, 81)).toBe('ok');
    expect(await client.connect('web', to, 80)).toBe('ok');
    expect(await client.echo('web', 100_000)).toBe('ok');
    expect(await client.connect('other', to, 81)).toBe('timeout');
    expect(sandbox.drainEvents().filter((event) => event.kind === 'drop').map((event) => event.reason?.code)).toContain(133);
  });

  test('a policy that no longer allows cuts a live connection, both ways', async () => {
    const [client, server] = [peer(a), peer(b)];
    await server.listen(to, 80);
    expect(await client.connect('web', to, 80)).toBe('ok');
    expect(await client.echo('web')).toBe('ok');
    sandbox.setPolicy(b, CLOSED);
    expect(await client.echo('web')).toBe('timeout');
    sandbox.setPolicy(b, OPEN);
    expect(await client.receive('web')).toBe('ok'); // retransmitted
  });

  test.each(['client', 'server'])('a connection outlives the loss of its entry, the %s speaking first', async (first) => {
    sandbox.setPolicy(b, { ingress: { any: WEB }, egress: { any: DENY } });
    sandbox.setPolicy(a, { ingress: { any: DENY }, egress: { any: ALLOW } });
    const [client, server] = [peer(a), peer(b)];
    await server.listen(to, 80);
    expect(await client.connect('web', to, 80)).toBe('ok');
    expect(await client.echo('web')).toBe('ok');
    sandbox.clearFlows();
    sandbox.drainEvents();
    if (first === 'client') expect(await client.echo('web')).toBe('ok');
    else {
      const arrival = client.receive('web');
      expect(await server.send('accepted')).toBe('ok');
      expect(await arrival).toBe('ok');
      expect(sandbox.drainEvents().filter((event) => event.recovered)).toHaveLength(1);
    }
    expect(sandbox.flows().filter((flow) => flow.protocol.number === 6).map((flow) => flow.source.ip.text)).toEqual([from]);
  });

  test('a segment out of the blue is not let in by a listener', async () => {
    sandbox.setPolicy(b, { ingress: { any: WEB }, egress: { any: DENY } });
    const server = peer(b);
    await server.listen(to, 80);
    // b tries to open a connection from its service port: the reverse direction would be allowed
    expect(await server.connect('reverse', from, 4000, family === 4 ? 8080 : 8081)).toBe('timeout');
    expect(sandbox.drainEvents().some((event) => event.recovered)).toBe(false);
  });

  test('time exceeded comes back from the node', () => {
    const { output } = runIn(a.netns, ['ping', '-n', '-c', '1', '-W', '1', '-t', '1', to]);
    expect(output).toMatch(/Time to live exceeded|Time exceeded|Hop limit/i);
  });
});

test('the node is reached by its link-local address only where policy allows the host', () => {
  const gateway = `${linkLocal(A.hostMac)}%eth0`;
  expect(pings(a.netns, gateway, ['-I', A.ipv6])).toBe(true);
  sandbox.setPolicy(a, { ingress: { any: ALLOW }, egress: { any: ALLOW, by: new Map([[1, DENY]]) } });
  expect(pings(a.netns, gateway, ['-I', A.ipv6])).toBe(false);
});

test.each([
  { what: 'IPv4', etherType: '0800', length: 30 },
  { what: 'IPv6', etherType: '86dd', length: 50 },
  { what: 'ARP', etherType: '0806', length: 30 },
])('$what headers cut short are dropped with their reason', async ({ etherType, length }) => {
  const frame = new Uint8Array(length);
  frame.set(Buffer.from(`${A.hostMac}${A.mac}${etherType}`.replaceAll(':', ''), 'hex'));
  using socket = openPacketSocket({ link: a.link, netns: a.netns });
  sandbox.drainEvents();
  expect(socket.send(frame)).toBe(true);
  await sleep(50);
  expect(sandbox.drainEvents().filter((event) => event.length === length)).toMatchObject([{ kind: 'drop', reason: { code: 135 } }]);
});
