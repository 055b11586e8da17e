import { decodeFlow, flow, flowKey } from '@cilium-ts/datapath-layout';
import { viewOf } from '@cilium-ts/bpf-maps';
import { ethernet, fragmentIpv4, fragmentIpv6, icmp, packet, payload, tcp, udp } from '@cilium-ts/testkit';
import type { TcpFlag } from '@cilium-ts/testkit';
import { openPinnedMap } from 'libbpf-napi';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrives, cnp, datagram, enforce, FAMILIES, ip, openArena, PATIENCE, REASON, refusedFor, unreachable } from './support/arena.ts';
import type { Arena, ArmedPod, Family } from './support/arena.ts';
import { connector, listener } from './support/talk.ts';

/** The server may be asked on port 80 (and 53 by UDP) by the client; nobody may open anything to the client. */
const ALLOW = [
  cnp('server', `
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "80", protocol: TCP}, {port: "53", protocol: UDP}]}]
`),
  cnp('client', `
  endpointSelector: {matchLabels: {app: client}}
  ingressDeny:
    - fromEntities: [world]
  ingress:
    - fromEndpoints: [{matchLabels: {app: nobody}}]
`),
];

let arena: Arena;
let client: ArmedPod;
let server: ArmedPod;

beforeAll(async () => {
  arena = await openArena('flows');
  [client, server] = [await arena.armed('client'), await arena.armed('server')];
  await enforce(arena, ...ALLOW);
});
afterAll(() => arena[Symbol.asyncDispose]());

/** A segment as the pod's own kernel could send it. */
const segment = (from: ArmedPod, to: string, family: Family, fields: { readonly ports: readonly [number, number]; readonly flags: readonly TcpFlag[]; readonly text?: string }): Uint8Array =>
  packet(
    ethernet({ source: from.mac, destination: from.hostMac }),
    ip(family, { source: from.address(family), destination: to }),
    tcp({ sourcePort: fields.ports[0], destinationPort: fields.ports[1], flags: fields.flags, sequence: 7, acknowledgement: 7 }),
    payload(fields.text ?? ''),
  );

/** Takes the flows with this client port out of the datapath's table, as an eviction would. Returns how many there were. */
const evict = (port: number): number => {
  const map = openPinnedMap(join(arena.node.folders.bpf, 'cilium_flows'));
  try {
    let evicted = 0;
    for (const [key, value] of map.entries()) {
      const { source } = decodeFlow(flowKey.decode(viewOf(key), 0), flow.decode(viewOf(value), 0));
      if (source.port === port && map.delete(key)) evicted++;
    }
    return evicted;
  } finally {
    map.close();
  }
};

const flowsOf = async (port: number) => (await arena.client.listBpfFlows()).filter(({ source, destination }) => source.port === port || destination.port === port);

describe.each(FAMILIES)('IPv%i', (family) => {
  it('the responder of a flow can not open a connection to the port that began it', async () => {
    const port = 40_000 + family;
    const web = await listener(server.pod, 80, server.address(family));
    const user = connector(client.pod, 80, server.address(family), port);
    await user.expects(/^peer /);
    user.say('before');
    await web.expects(/^got before$/);
    const open = (variants: readonly (readonly TcpFlag[])[]) => () => { for (const flags of variants) server.socket.send(segment(server, client.address(family), family, { ports: [80, port], flags, text: `back${family}` })); };
    await refusedFor(arena, REASON.policy, 4, open([['syn'], ['syn', 'psh'], ['syn', 'urg'], ['syn', 'ece', 'cwr']]));
    await refusedFor(arena, REASON.invalid, 2, open([['syn', 'fin'], ['syn', 'rst']]));
    expect(client.tap.count(`back${family}`)).toBe(0);
    // The real one does not notice.
    user.say('after');
    await web.expects(/^got after$/);
    web.say('answer');
    await user.expects(/^got answer$/);
    await user.close();
    await web.expects(/^end$/);
    await refusedFor(arena, REASON.policy, 1, () => server.socket.send(segment(server, client.address(family), family, { ports: [80, port], flags: ['syn'], text: `back${family}` })));
    await web.close();
  });

  it('a live connection outlives the loss of its flow, whoever speaks first', async () => {
    const port = 40_100 + family;
    const web = await listener(server.pod, 80, server.address(family));
    const user = connector(client.pod, 80, server.address(family), port);
    await user.expects(/^peer /);
    for (const [turn, speaker, hearer] of [[1, user, web], [2, web, user], [3, web, user], [4, user, web]] as const) {
      expect(evict(port)).toBe(1);
      speaker.say(`turn ${turn}`);
      await hearer.expects(new RegExp(`^got turn ${turn}$`));
      hearer.say(`heard ${turn}`);
      await speaker.expects(new RegExp(`^got heard ${turn}$`));
    }
    const [entry] = await flowsOf(port);
    expect(entry).toMatchObject({ source: { ip: client.address(family), port }, destination: { port: 80 } });
    await user.close();
    await web.close();
  });

  it('a connection to the outside outlives it too, and its answers are no way in', async () => {
    const port = 40_200 + family;
    const address = family === 4 ? '198.51.100.10' : '2001:db8:51::10';
    const far = await listener(arena.outside, 443, address);
    const user = connector(client.pod, 443, address, port);
    await user.expects(/^peer /);
    for (const [turn, speaker, hearer] of [[1, far, user], [2, user, far], [3, far, user]] as const) {
      expect(evict(port)).toBe(1);
      speaker.say(`turn ${turn}`);
      await hearer.expects(new RegExp(`^got turn ${turn}$`));
    }
    await user.close();
    await far.close();
  });

  it('what looks like a reply opens nothing where no such socket is', async () => {
    const port = 40_300 + family;
    // The client listens on one of the ports: a listener proves nothing.
    await client.probe.listen({ protocol: 'tcp', port, addresses: [client.address(family)] });
    const flags: readonly (readonly TcpFlag[])[] = [['ack'], ['ack', 'psh'], ['syn', 'ack'], ['rst'], ['fin', 'ack'], []];
    await refusedFor(arena, REASON.policy, 2 * flags.length, () => {
      for (const each of flags) for (const to of [port, port + 50]) server.socket.send(segment(server, client.address(family), family, { ports: [80, to], flags: each, text: `forged${family}` }));
    });
    expect(client.tap.count(`forged${family}`)).toBe(0);
    expect(await flowsOf(port)).toEqual([]);
    // Nor is one that comes from another port than the connection's, while there is a connection.
    const web = await listener(server.pod, 80, server.address(family));
    const user = connector(client.pod, 80, server.address(family), port + 60);
    await user.expects(/^peer /);
    evict(port + 60);
    await refusedFor(arena, REASON.policy, 1, () => server.socket.send(segment(server, client.address(family), family, { ports: [81, port + 60], flags: ['ack'], text: `forged${family}` })));
    await user.close();
    await web.close();
    await client.probe.unlisten({ protocol: 'tcp', port });
  });

  it('a one-way stream ends with the policy that allowed it, in either direction', async () => {
    const port = 5300 + family;
    const name = `stream${family}`;
    const there = (n: number) => datagram(client, family, { address: server.address(family), port: 53, text: `${name}-there-${n};` }, { port });
    const back = (n: number) => packet(ethernet({ source: server.mac, destination: server.hostMac }), ip(family, { source: server.address(family), destination: client.address(family) }), udp({ sourcePort: 53, destinationPort: port }), payload(`${name}-back-${n};`));
    client.socket.send(there(0));
    await arrives(server.tap, `${name}-there-0;`);
    server.socket.send(back(0));
    await arrives(client.tap, `${name}-back-0;`);
    await enforce(arena, ALLOW[0]!.replace(', {port: "53", protocol: UDP}', ''));
    try {
      await refusedFor(arena, REASON.policy, 60, () => { for (let n = 1; n <= 30; n++) for (const [from, frame] of [[server, back(n)], [client, there(n)]] as const) from.socket.send(frame); });
      expect([server.tap.count(`${name}-there`), client.tap.count(`${name}-back`)]).toEqual([1, 1]);
    } finally {
      await enforce(arena, ALLOW[0]!);
    }
    client.socket.send(there(31));
    await arrives(server.tap, `${name}-there-31;`);
    server.socket.send(back(31));
    await arrives(client.tap, `${name}-back-31;`);
  });

  it('an ICMP error is let in only for a flow there is, about a packet that its receiver sent', async () => {
    const port = 5400 + family;
    const name = `error${family}`;
    const addresses = { source: client.address(family), destination: server.address(family) };
    client.socket.send(datagram(client, family, { address: server.address(family), port: 53, text: `${name}-flow` }, { port }));
    await arrives(server.tap, `${name}-flow`);
    const quoted = (of: { readonly source: string; readonly destination: string }, ports: readonly [number, number]): Uint8Array => packet(ip(family, of), udp({ sourcePort: ports[0], destinationPort: ports[1] }), payload(`${name}-quote`));
    const error = (from: ArmedPod, to: string, about: Uint8Array): Uint8Array => packet(ethernet({ source: from.mac, destination: from.hostMac }), ip(family, { source: from.address(family), destination: to }), ...unreachable(family, about));
    const before = (await flowsOf(port)).length;
    // About a flow that does not exist; about a packet that the client did not send; about a flow of others.
    await refusedFor(arena, REASON.unknownFlow, 2, () => {
      server.socket.send(error(server, client.address(family), quoted(addresses, [port + 10, 53])));
      server.socket.send(error(server, client.address(family), quoted(addresses, [port, 54])));
    });
    await refusedFor(arena, REASON.invalid, 1, () => server.socket.send(error(server, client.address(family), quoted({ ...addresses, source: '10.244.0.99', ...(family === 6 && { source: 'fd00:10:244::99' }) }, [port, 53]))));
    await refusedFor(arena, REASON.sourceIp, 1, () => server.socket.send(error(server, client.address(family), quoted({ ...addresses, destination: family === 4 ? '198.51.100.10' : '2001:db8:51::10' }, [port, 53]))));
    expect(client.tap.count(`${name}-quote`)).toBe(0);
    server.socket.send(error(server, client.address(family), quoted(addresses, [port, 53])));
    await arrives(client.tap, `${name}-quote`);
    expect((await flowsOf(port)).length).toBe(before);
  });

  it('a fragment needs its first one, and can not rewrite what was judged', async () => {
    const name = `fragment${family}`;
    const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const whole = (text: string) => datagram(client, family, { address: server.address(family), port: 53, text: `${name}-${text}`.padEnd(1000, '.') + `${name}-${text}-tail` }, { port: 5500 + family });
    const [, alone] = cut(whole('alone'), 600, 901 + family);
    await refusedFor(arena, REASON.fragment, 2, () => {
      client.socket.send(alone!);
      // Its first one with another id, or from another pod, does not help.
      client.socket.send(cut(whole('other'), 600, 911 + family)[0]!);
      client.socket.send(alone!);
    });
    const [first, second] = cut(whole('pair'), 600, 921 + family);
    client.socket.send(first!);
    client.socket.send(second!);
    await arrives(server.tap, `${name}-pair-tail`);
    expect(server.tap.count(`${name}-alone-tail`)).toBe(0);
    // The second of a datagram that policy refuses is refused as the first is.
    const denied = cut(datagram(client, family, { address: server.address(family), port: 54, text: '!'.repeat(1200) }), 600, 931 + family);
    await refusedFor(arena, REASON.policy, 1, () => client.socket.send(denied[0]!));
    for (const each of denied.slice(1)) client.socket.send(each);
    // A TCP header whose flags would come in a second fragment (RFC 1858).
    const tiny = cut(segment(client, server.address(family), family, { ports: [40_500, 80], flags: ['syn'], text: `${name}-tiny` }), 16, 941 + family);
    for (const each of tiny) client.socket.send(each);
    client.socket.send(datagram(client, family, { address: server.address(family), port: 53, text: `${name}-end` }));
    await arrives(server.tap, `${name}-end`);
    expect(server.tap.count(`${name}-tiny`)).toBe(0);
    expect(server.tap.count('!!!!')).toBe(0);
  });
});

it('an echo reply that nobody asked for, and a request with the id of another, are judged by policy', async () => {
  const echo = (from: ArmedPod, to: ArmedPod, type: number, text: string) => packet(ethernet({ source: from.mac, destination: from.hostMac }), ip(4, { source: from.ipv4, destination: to.ipv4 }), icmp({ type, id: 77, sequence: 1 }), payload(text));
  await refusedFor(arena, REASON.policy, 2, () => {
    server.socket.send(echo(server, client, 0, 'echo-lie'));
    server.socket.send(echo(server, client, 8, 'echo-lie'));
  });
  // Under a policy that lets the client ask, its request opens the way for the answer only.
  await enforce(arena, `${ALLOW[0]!.trimEnd()}\n    - fromEndpoints: [{matchLabels: {app: client}}]\n      icmps: [{fields: [{family: IPv4, type: 8}]}]\n`);
  client.socket.send(echo(client, server, 8, 'echo-asked'));
  await expect.poll(() => client.tap.count('echo-asked'), { timeout: PATIENCE }).toBe(1);
  await refusedFor(arena, REASON.policy, 1, () => server.socket.send(echo(server, client, 8, 'echo-lie')));
  expect(client.tap.count('echo-lie')).toBe(0);
  await enforce(arena, ALLOW[0]!);
});
