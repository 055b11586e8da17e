import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { A, B } from './frames.ts';
import { attachPod, Peer, prepareNode, removePod, ROUTER4, ROUTER6, runIn, type LivePod } from './live.ts';
import { ALLOW, DENY, OPEN, Sandbox } from './sandbox.ts';
import { Services } from './services.ts';
import type { Namespace } from '@cilium-ts/netlink';

const [TCP, UDP] = [6, 17];
let sandbox: Sandbox;
let services: Services;
let a: LivePod;
let b: LivePod;
let peers: Peer[];
const peer = (netns: Namespace): Peer => {
  const made = new Peer(netns);
  peers.push(made);
  return made;
};

/** One rule of nftables in a namespace. */
function filter(netns: Namespace, hook: string, rule: string): void {
  expect(runIn(netns, ['nft', `table inet test { chain only { type filter hook ${hook} priority 0; ${rule}; }; }`])).toEqual({ status: 0, output: '' });
}

beforeEach(async () => {
  peers = [];
  sandbox = await Sandbox.open();
  services = new Services(sandbox);
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
  { family: 4, mine: A.ipv4, other: B.ipv4, node: ROUTER4, vip: '172.20.0.10' },
  { family: 6, mine: A.ipv6, other: B.ipv6, node: ROUTER6, vip: 'fd20::10' },
])('a service over IPv$family', ({ mine, other, node, vip }) => {
  const add = (address: string, port = 8080): number[] => [
    ...services.add({ id: 1, address: vip, port: 80, protocol: TCP, backends: [{ address, port }] }),
    ...services.add({ id: 2, address: vip, port: 53, protocol: UDP, backends: [{ address, port: port + 1 }] }),
  ];

  test.each([
    { what: 'another pod', address: other, at: () => b.netns },
    { what: 'the pod itself', address: mine, at: () => a.netns },
    { what: 'the node, by way of the stack', address: node, at: () => sandbox.node },
  ])('is $what: TCP, large too, and UDP, in fragments too', async ({ address, at }) => {
    add(address);
    const [client, server] = [peer(a.netns), peer(at())];
    expect(await server.listen(address, 8080)).toBe('ok');
    expect(await server.answer(address, 8081)).toBe('ok');
    expect(await client.connect('web', vip, 80)).toBe('ok');
    expect(await client.echo('web', 1)).toBe('ok');
    expect(await client.echo('web', 1_000_000)).toBe('ok');
    expect(await client.ask(vip, 53)).toBe('ok');
    expect(await client.ask(vip, 53, 4000)).toBe('ok');
    expect(await client.connect('closed', vip, 81)).not.toBe('ok');
  });

  test.each([
    { what: 'another pod', address: other },
    { what: 'the pod itself', address: mine },
    { what: 'the node', address: node },
  ])('whose backend, $what, has closed its port says so: TCP by a reset, for which one entry is enough, UDP by an ICMP error', async ({ address }) => {
    add(address);
    const client = peer(a.netns);
    expect(await client.connect('web', vip, 80)).toBe('ECONNREFUSED');
    expect(sandbox.flows().map((flow) => [flow.service?.side, flow.state])).toEqual([['reply', ['reset', 'confirmed', 'unanswered']]]);
    expect(await client.ask(vip, 53)).toBe('ECONNREFUSED');
  });

  test.each([
    { what: 'on its way to the node', at: (): Namespace => b.netns, hook: 'output' },
    { what: 'on its way to the client', at: (): Namespace => a.netns, hook: 'input' },
  ])('is reached though its first answer gets lost $what', async ({ at, hook }) => {
    add(other);
    const [client, server] = [peer(a.netns), peer(b.netns)];
    await server.listen(other, 8080);
    filter(at(), hook, 'tcp flags & (syn | ack) == (syn | ack) limit rate 1/day burst 1 packets counter drop');
    expect(await client.connectAtLast('web', vip, 80)).toBe('ok');
    expect(await client.echo('web', 1000)).toBe('ok');
    expect(runIn(at(), ['nft', 'list', 'table', 'inet', 'test']).output).toContain('packets 1 ');
    expect(sandbox.flows().map((flow) => [flow.service?.side, flow.state]).sort()).toEqual([['reply', ['confirmed']], ['request', ['confirmed']]]);
  });

  test('that does not answer costs one entry for each SYN', async () => {
    add(other);
    const client = peer(a.netns);
    filter(b.netns, 'input', 'tcp dport 8080 drop');
    const tries = Array.from({ length: 30 }, (_, n) => client.connect(`${n}`, vip, 80));
    expect(new Set(await Promise.all(tries))).toEqual(new Set(['timeout']));
    expect(sandbox.flows().map((flow) => [flow.service?.side, flow.state])).toEqual(Array.from(tries, () => ['reply', ['unanswered']]));
  });

  test('without backends refuses at once', async () => {
    for (const [id, port, protocol] of [[1, 80, TCP], [2, 53, UDP]] as const) services.add({ id, address: vip, port, protocol, backends: [] });
    const client = peer(a.netns);
    expect(await client.connect('web', vip, 80)).toBe('ECONNREFUSED');
    expect(await client.ask(vip, 53)).toBe('ECONNREFUSED');
    expect(await client.ask(vip, 53, 4000)).toBe('ECONNREFUSED');
  });

  test('goes on over the loss of either entry, and of both when the client speaks', async () => {
    sandbox.setPolicy(b, { ingress: { any: ALLOW }, egress: { any: DENY } });
    sandbox.setPolicy(a, { ingress: { any: DENY }, egress: { any: ALLOW } });
    add(other);
    const [client, server] = [peer(a.netns), peer(b.netns)];
    await server.listen(other, 8080);
    expect(await client.connect('web', vip, 80)).toBe('ok');
    for (const lost of ['request', 'reply', undefined]) {
      sandbox.dropFlows((flow) => lost === undefined || flow.service?.side === lost);
      expect(await client.echo('web', 1000)).toBe('ok');
    }
  });

  test('whose backend ends is another one\'s; connections to the old one end', async () => {
    const [tcp] = add(other);
    const [client, server, host] = [peer(a.netns), peer(b.netns), peer(sandbox.node)];
    await server.listen(other, 8080);
    await host.listen(node, 9090);
    expect(await client.connect('old', vip, 80)).toBe('ok');
    services.retarget(1, [services.addBackend(1, { address: node, port: 9090 }, TCP)]);
    expect(await client.echo('old', 1000)).toBe('ok'); // draining
    services.endBackend(tcp!);
    expect(await client.connect('new', vip, 80)).toBe('ok');
    expect(await client.echo('new', 1000)).toBe('ok');
    expect(await client.echo('old', 1000)).toBe('timeout');
  });
});
