import { parseCidr } from '@cilium-ts/core';
import { extension, fragmentIpv4, fragmentIpv6, payload, sctp, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import { NAT_FLAG, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { cpus } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { forgetRefused } from '../../src/netdev/refused.ts';
import { ETH0, ETH1, isReply, MAC, NODE, NODE1, NodeSandbox, OTHER } from './node-sandbox.ts';
import { datagram, echo, ends, FAMILIES, FAR, frame, hex, of, POD, portUnreachable, REMOTE, SECOND, segment, unreachable, type Family } from './packets.ts';

const VIP = { 4: '198.51.100.50', 6: '2001:db8:51::50' } as const;
const OTHER_VIP = { 4: '198.51.100.52', 6: '2001:db8:51::52' } as const;
const NONE = { 4: '198.51.100.51', 6: '2001:db8:51::51' } as const;
const from = (family: Family, to: string, ...layers: readonly Layer[]): Uint8Array => frame(family, [FAR[family], to], layers);
let node: NodeSandbox;
const ids: Record<string, { id: number; backends: readonly number[] }> = {};

beforeAll(async () => {
  node = await NodeSandbox.open();
  node.addPod(POD);
  node.addPod(SECOND);
  for (const { family } of FAMILIES) {
    const local = { address: of(POD, family), port: 8080 };
    const remote = { address: REMOTE[family], port: 8080 };
    for (const protocol of [6, 17]) {
      node.addService({ port: 30_080, protocol, backends: [local] });
      node.addService({ port: 30_081, protocol, backends: [remote] });
      node.addService({ port: 30_082, protocol, backends: [{ address: NODE[family], port: 9090 }] });
      node.addService({ address: VIP[family], port: 80, protocol, backends: [local] });
      node.addService({ address: VIP[family], port: 81, protocol, backends: [remote] });
    }
    node.addService({ address: VIP[family], port: 90, family, backends: [] });
    node.addService({ address: VIP[family], port: 91, backends: [local], sourceRanges: [family === 4 ? '203.0.113.8/29' : '2001:db8:ffff::/64'] });
    node.addService({ address: VIP[family], port: 92, backends: [local], flags: SERVICE_FLAG.SOURCE_DENY, sourceRanges: [family === 4 ? '203.0.113.0/24' : '2001:db8:ffff::/48'] });
    node.addService({ address: VIP[family], port: 93, backends: [POD, SECOND].map((pod) => ({ address: of(pod, family), port: 8080 })), affinitySeconds: 100 });
    ids[`many${family}`] = node.addService({ address: VIP[family], port: 94, backends: [POD, SECOND].map((pod) => ({ address: of(pod, family), port: 8080 })) });
    node.addService({ address: VIP[family], port: 95, protocol: 132, backends: [{ address: of(POD, family), port: 95 }] });
    node.addService({ address: VIP[family], port: 96, protocol: 132, backends: [local] });
    node.addWildcard(VIP[family]);
    node.addWildcard(NONE[family]);
  }
});
afterAll(() => node.close());
beforeEach(() => node.evict(() => true));

describe.each(FAMILIES.flatMap(({ family }) => (['TCP', 'UDP'] as const).map((protocol) => ({ family, protocol }))))('$protocol over IPv$family', ({ family, protocol }) => {
  const opening = (s: number, d: number): Layer => (protocol === 'TCP' ? segment(s, d, 'syn') : datagram(s, d));
  const answer = (s: number, d: number): Layer => (protocol === 'TCP' ? segment(s, d, 'syn', 'ack') : datagram(s, d));
  const later = (s: number, d: number): Layer => (protocol === 'TCP' ? segment(s, d, 'ack') : datagram(s, d));

  test.each([
    { what: 'a NodePort', to: NODE[family], port: 30_080 },
    { what: 'a NodePort at another of the node’s addresses', to: NODE1[family], port: 30_080 },
    { what: 'a load balancer’s address', to: VIP[family], port: 80 },
  ])('$what with a backend here: its destination is translated, the client stays', ({ to, port }) => {
    for (const layer of [opening, later]) {
      const passage = node.incoming(from(family, to, layer(5555, port), payload('hello')));
      expect(passage.verdict).toBe('pass');
      expect(ends(passage)).toEqual({ from: FAR[family], to: of(POD, family), ports: [5555, 8080] });
    }
    const reply = node.leaving(frame(family, [of(POD, family), FAR[family]], [answer(8080, 5555), payload('answer')]), POD);
    expect(ends(reply)).toEqual({ from: to, to: FAR[family], ports: [port, 5555] });
    // whichever device it leaves by
    expect(ends(node.leaving(frame(family, [of(POD, family), FAR[family]], [later(8080, 5555)]), POD, ETH1)).from).toBe(to);
    expect(node.translations()).toHaveLength(2);
  });

  test('a backend that is a process of this node', () => {
    expect(ends(node.incoming(from(family, NODE[family], opening(5556, 30_082))))).toEqual({ from: FAR[family], to: NODE[family], ports: [5556, 9090] });
    expect(ends(node.leaving(frame(family, [NODE[family], FAR[family]], [answer(9090, 5556)]), 0))).toEqual({ from: NODE[family], to: FAR[family], ports: [30_082, 5556] });
  });

  test.each([
    { what: 'a NodePort', to: NODE[family], port: 30_081 },
    { what: 'a load balancer’s address', to: VIP[family], port: 81 },
  ])('$what with a backend elsewhere: goes there in the node’s name, and its answers back in the service’s', ({ to, port }) => {
    const passage = node.incoming(from(family, to, opening(5557, port), payload('hello')));
    expect(passage.verdict).toBe('redirect');
    const sent = ends(passage);
    expect(sent).toEqual({ from: NODE[family], to: REMOTE[family], ports: [expect.any(Number), 8080] });
    expect(passage.packet).toMatchObject({ ethernet: { source: MAC.eth0, destination: MAC.other }, ip: { ttl: 63 } });
    // what was sent on is not looked at again where it leaves
    expect(hex(node.leaving(passage.data, ETH0, ETH0, { mark: passage.mark }).data)).toBe(hex(passage.data));
    const again = node.incoming(from(family, to, later(5557, port), payload('more')));
    expect(ends(again)).toEqual(sent);
    const reply = node.incoming(frame(family, [REMOTE[family], NODE[family]], [answer(8080, sent.ports[0]!), payload('answer')]));
    expect(reply.verdict).toBe('redirect');
    expect(ends(reply)).toEqual({ from: to, to: FAR[family], ports: [port, 5557] });
    expect(reply.packet).toMatchObject({ ethernet: { source: MAC.eth0, destination: MAC.router }, ip: { ttl: 63 } });
    expect(node.translations()).toHaveLength(2);
  });

  test('errors about translated packets are translated, in both directions', () => {
    const request = from(family, VIP[family], opening(5558, 81), payload('question'));
    const sent = node.incoming(request);
    const router = family === 4 ? '198.51.100.77' : '2001:db8:51::77';
    const error = node.incoming(frame(family, [router, NODE[family]], [unreachable(family), payload(sent.data.slice(14))]));
    expect(error.verdict).toBe('redirect');
    expect(ends(error)).toMatchObject({ from: router, to: FAR[family] });
    const quoted = Buffer.from(request.slice(14));
    expect(hex(error.packet.payload).slice(family === 4 ? 40 : 80)).toBe(hex(quoted).slice(family === 4 ? 40 : 80));
    // of the backend itself, about a request: comes from the service
    const own = node.incoming(frame(family, [REMOTE[family], NODE[family]], [portUnreachable(family), payload(sent.data.slice(14))]));
    expect(ends(own)).toMatchObject({ from: VIP[family], to: FAR[family] });
    // of the client, about an answer
    const reply = frame(family, [REMOTE[family], NODE[family]], [answer(8080, ends(sent).ports[0]!), payload('answer')]);
    const answered = node.incoming(reply);
    const refused = node.incoming(frame(family, [FAR[family], VIP[family]], [portUnreachable(family), payload(answered.data.slice(14))]));
    expect(ends(refused)).toMatchObject({ from: NODE[family], to: REMOTE[family] });
    expect(hex(refused.packet.payload).slice(family === 4 ? 40 : 80)).toBe(hex(reply.slice(14)).slice(family === 4 ? 40 : 80));
  });

  test('an error of an endpoint about a request to a service comes from the service', () => {
    const request = from(family, VIP[family], opening(5559, 80), payload('question'));
    const arrived = node.incoming(request);
    const error = node.leaving(frame(family, [of(POD, family), FAR[family]], [portUnreachable(family), payload(arrived.data.slice(14))]), POD);
    expect(ends(error)).toMatchObject({ from: VIP[family], to: FAR[family] });
    expect(hex(error.packet.payload)).toBe(hex(request.slice(14)));
    // one of the node, which routes to the endpoint
    const routed = node.leaving(frame(family, [NODE[family], FAR[family]], [unreachable(family), payload(arrived.data.slice(14))]), 0);
    expect(ends(routed)).toMatchObject({ from: NODE[family], to: FAR[family] });
    expect(hex(routed.packet.payload)).toBe(hex(request.slice(14)));
  });

  test('without backends: dropped, and the client is told', () => {
    const passage = node.incoming(from(family, VIP[family], opening(5560, protocol === 'TCP' ? 90 : 12), payload('hello')));
    expect(passage).toMatchObject({ verdict: 'redirect', reason: 158 });
    expect(ends(passage)).toMatchObject({ from: VIP[family], to: FAR[family] });
    expect(passage.packet).toMatchObject({ ethernet: { source: MAC.eth0, destination: MAC.router }, transport: family === 4 ? { type: 3, code: 3 } : { type: 1, code: 4 } });
    const original = from(family, VIP[family], opening(5560, protocol === 'TCP' ? 90 : 12), payload('hello')).slice(14);
    expect(hex(original).startsWith(hex(passage.packet.payload))).toBe(true);
    expect(passage.packet.payload.length).toBeGreaterThan(original.length - 4);
  });

  test('another port of a service’s address is refused, of the node’s own it is not', () => {
    expect(node.incoming(from(family, NONE[family], opening(1, 2)))).toMatchObject({ reason: 158 });
    // nor is a port that is one of every address of the node a port of an address that only services have
    expect(node.incoming(from(family, NONE[family], opening(1, 30_080)))).toMatchObject({ reason: 158 });
    expect(node.incoming(from(family, NODE[family], opening(1, 22)))).toMatchObject({ verdict: 'pass' });
    expect(node.incoming(from(family, OTHER[family], opening(1, 30_080)))).toMatchObject({ verdict: 'pass' });
  });

  test('one whose backend has gone is led to another; with none left it is refused', () => {
    if (protocol === 'UDP') return; // the same path
    const { id, backends } = ids[`many${family}`]!;
    const first = ends(node.incoming(from(family, VIP[family], opening(5561, 94)))).to;
    const [stays, goes] = first === of(POD, family) ? [backends[1]!, backends[0]!] : [backends[0]!, backends[1]!];
    node.setBackends(id, [stays]);
    expect(ends(node.incoming(from(family, VIP[family], later(5561, 94)))).to).toBe(first);
    node.endBackend(goes);
    const second = ends(node.incoming(from(family, VIP[family], later(5561, 94)))).to;
    expect(second).not.toBe(first);
    // an answer of the first that is on its way is still the service's, however late, and leaves the connection alone
    const [was, is] = first === of(POD, family) ? [POD, SECOND] : [SECOND, POD];
    const late = (pod: typeof was | typeof is) => ends(node.leaving(frame(family, [of(pod, family), FAR[family]], [later(8080, 5561), payload('late')]), pod));
    for (const seconds of [0, 1, 5]) {
      node.age(seconds);
      expect(late(was)).toEqual({ from: VIP[family], to: FAR[family], ports: [94, 5561] });
      expect(ends(node.incoming(from(family, VIP[family], later(5561, 94)))).to).toBe(second);
      expect(late(is)).toEqual({ from: VIP[family], to: FAR[family], ports: [94, 5561] });
    }
    expect(node.translations()).toHaveLength(3);
    node.setBackends(id, []);
    node.endBackend(stays);
    expect(node.incoming(from(family, VIP[family], later(5561, 94)))).toMatchObject({ reason: 158 });
    expect(node.translations().every(isReply)).toBe(true);
    // to the same backend again: by the same port, and as a pair
    const again = [first, second].map((address) => node.addBackend(1, address, 8080, protocol === 'TCP' ? 6 : 17));
    node.setBackends(id, [again[0]!]);
    expect(ends(node.incoming(from(family, VIP[family], later(5561, 94))))).toMatchObject({ to: first, ports: [5561, 8080] });
    node.age(1);
    expect(late(was)).toEqual({ from: VIP[family], to: FAR[family], ports: [94, 5561] });
    expect(node.translations().filter((each) => (each.flags & NAT_FLAG.ALONE) === 0)).toHaveLength(2);
  });

  test('the answer on its way from a backend elsewhere that has gone is translated, and its port is given up', () => {
    const { id, backends } = node.addService({ address: OTHER_VIP[family], port: protocol === 'TCP' ? 310 : 311, protocol: protocol === 'TCP' ? 6 : 17, backends: [{ address: REMOTE[family], port: 8080 }] });
    const port = protocol === 'TCP' ? 310 : 311;
    const send = () => node.incoming(from(family, OTHER_VIP[family], later(5570, port)));
    const sent = ends(send());
    node.setBackends(id, []);
    node.endBackend(backends[0]!);
    expect(send()).toMatchObject({ reason: 158 });
    const answer = () => node.incoming(frame(family, [REMOTE[family], NODE[family]], [later(8080, sent.ports[0]!), payload('late')]));
    for (const seconds of [0, 1]) {
      node.age(seconds);
      expect(answer()).toMatchObject({ verdict: 'redirect' });
      expect(ends(answer())).toEqual({ from: OTHER_VIP[family], to: FAR[family], ports: [port, 5570] });
    }
    node.age(protocol === 'TCP' ? 11 : 61);
    expect(answer().verdict).toBe('pass');
  });
});

describe.each(FAMILIES)('IPv$family', ({ family }) => {
  test('who comes from outside in the name of the node, or of one of its pods, is not sent on to a backend', () => {
    for (const source of [NODE[family], NODE1[family], of(POD, family), of(SECOND, family)]) {
      for (const [to, port] of [[VIP[family], 81], [NODE[family], 30_081], [VIP[family], 80]] as const) {
        expect(node.incoming(frame(family, [source, to], [segment(7100, port, 'syn')]))).toMatchObject({ verdict: 'drop', reason: 132 });
      }
    }
    expect(node.translations()).toEqual([]);
  });

  test('source ranges allow or refuse', () => {
    const other = family === 4 ? '203.0.113.100' : '2001:db8:ffff:1::9';
    expect(node.incoming(from(family, VIP[family], segment(1, 91, 'syn')))).toMatchObject({ verdict: 'pass' });
    expect(node.incoming(frame(family, [other, VIP[family]], [segment(1, 91, 'syn')]))).toMatchObject({ verdict: 'drop', reason: 177 });
    expect(node.incoming(from(family, VIP[family], segment(1, 92, 'syn')))).toMatchObject({ verdict: 'drop', reason: 177 });
    expect(node.incoming(frame(family, ['198.18.7.7', '2001:db8:7::7'].map((each) => each).filter((each) => each.includes(':') === (family === 6)).concat(VIP[family]) as [string, string], [segment(1, 92, 'syn')]))).toMatchObject({ verdict: 'pass' });
  });

  test('connections of clients that source ranges have come to refuse are forgotten, others go on', async () => {
    const other = family === 4 ? '203.0.113.200' : '2001:db8:fffe::9';
    const backends = [{ address: of(POD, family), port: 8080 }];
    const remote = [{ address: REMOTE[family], port: 8080 }];
    const ranges = family === 4 ? ['203.0.113.0/24'] : ['2001:db8::/32'];
    const services = [node.addService({ address: VIP[family], port: 8101, backends, sourceRanges: ranges }), node.addService({ address: VIP[family], port: 8102, backends: remote, sourceRanges: ranges }), node.addService({ address: VIP[family], port: 8103, backends: remote, flags: SERVICE_FLAG.DSR, sourceRanges: ranges })];
    const send = (client: string, port: number, ...flags: TcpFlag[]) => node.incoming(frame(family, [client, VIP[family]], [segment(7100, port, ...flags)]));
    for (const client of [FAR[family], other]) for (const port of [8101, 8102, 8103]) for (const flag of ['syn', 'ack'] as const) expect(send(client, port, flag).verdict).not.toBe('drop');
    const before = node.translations().length;
    const narrower = [parseCidr(family === 4 ? `${other}/32` : `${other}/128`)!];
    // the kernel's table says so, but packets do not ask it again
    for (const { id } of services) node.setSourceRanges(id, narrower);
    expect(send(FAR[family], 8101, 'ack').verdict).not.toBe('drop');
    const guarded = services.map(({ id }) => ({ id, flags: SERVICE_FLAG.SOURCE_RANGE, sourceRanges: narrower }));
    expect(await forgetRefused(node.map('cilium_nat'), guarded)).toBe(before / 2);
    for (const port of [8101, 8102, 8103]) {
      expect([port, send(FAR[family], port, 'ack')]).toMatchObject([port, { verdict: 'drop', reason: 177 }]);
      expect([port, send(other, port, 'ack').verdict]).toEqual([port, port === 8101 ? 'pass' : 'redirect']);
    }
    // a list of those who are refused
    expect(await forgetRefused(node.map('cilium_nat'), guarded.map((each) => ({ ...each, flags: each.flags | SERVICE_FLAG.SOURCE_DENY })))).toBe(before / 2);
    expect(node.translations()).toEqual([]);
  });

  test('with affinity a client keeps its backend', () => {
    const chosen = new Set(Array.from({ length: 20 }, (_, at) => ends(node.incoming(from(family, VIP[family], segment(6000 + at, 93, 'syn')))).to));
    expect(chosen.size).toBe(1);
    // another client may have another one
    const clients = Array.from({ length: 20 }, (_, at) => frame(family, [family === 4 ? `203.0.113.${100 + at}` : `2001:db8:ffff::${100 + at}`, VIP[family]], [segment(6000, 93, 'syn')]));
    expect(new Set(clients.map((client) => ends(node.incoming(client)).to)).size).toBe(2);
  });

  test('fragments go where their first one went', () => {
    const split = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const local = split(from(family, VIP[family], datagram(7000, 80), payload(2000)), 1000, 5).map((piece) => node.incoming(piece));
    expect(local.map((piece) => piece.packet.ip?.destination)).toEqual(Array.from({ length: 3 }, () => of(POD, family)));
    const remote = split(from(family, VIP[family], datagram(7001, 81), payload(2000)), 1000, 6).map((piece) => node.incoming(piece));
    expect(remote.map((piece) => [piece.verdict, piece.packet.ip?.source, piece.packet.ip?.destination])).toEqual(Array.from({ length: 3 }, () => ['redirect', NODE[family], REMOTE[family]]));
  });

  test('a packet at its last hop gets its error instead of being sent on', () => {
    const passage = node.incoming(frame(family, [FAR[family], VIP[family]], [segment(7002, 81, 'syn')], family === 4 ? { ttl: 1 } : { hopLimit: 1 }));
    expect(passage).toMatchObject({ verdict: 'redirect', reason: 196, packet: { transport: family === 4 ? { type: 11, code: 0 } : { type: 3, code: 0 } } });
    expect(ends(passage).to).toBe(FAR[family]);
  });

  test('one too long for its way gets told so', () => {
    node.ip('link set eth0 mtu 1400');
    const passage = node.incoming(frame(family, [FAR[family], VIP[family]], [segment(7003, 81, 'ack'), payload(1450)], family === 4 ? { dontFragment: true } : {}));
    node.ip('link set eth0 mtu 1500');
    expect(passage).toMatchObject({ verdict: 'redirect', reason: 136, packet: { transport: family === 4 ? { type: 3, code: 4 } : { type: 2, code: 0 } } });
    const mtu = new DataView(passage.data.buffer, passage.data.byteOffset + passage.packet.ip!.headerLength + 14).getUint32(4);
    expect(mtu).toBe(1400);
    expect(ends(passage)).toMatchObject({ from: VIP[family], to: FAR[family] });
  });

  test('no neighbour yet: the kernel finds it', () => {
    const gateway = family === 4 ? '192.0.2.77' : '2001:db8:2::77';
    const prefix = family === 4 ? '10.0.7.0/24' : 'fd00:7::/64';
    node.ip(`route add ${prefix} via ${gateway}`);
    node.addService({ address: VIP[family], port: 97, backends: [{ address: family === 4 ? '10.0.7.1' : 'fd00:7::1', port: 8080 }] });
    expect(node.incoming(from(family, VIP[family], segment(7004, 97, 'syn')))).toMatchObject({ verdict: 'redirect' });
    const nowhere = family === 4 ? '10.0.8.1' : 'fd00:8::1';
    node.ip(`route add blackhole ${nowhere}`);
    node.addService({ address: VIP[family], port: 98, backends: [{ address: nowhere, port: 8080 }] });
    expect(node.incoming(from(family, VIP[family], segment(7005, 98, 'syn')))).toMatchObject({ verdict: 'drop', reason: 169 });
  });

  test('what nothing treats, to an address that is only a service’s, goes nowhere: not back to its router', () => {
    expect(node.incoming(from(family, VIP[family], echo(family, 'request', 5)))).toMatchObject({ verdict: 'drop', reason: 158 });
    expect(node.incoming(from(family, NODE[family], echo(family, 'request', 5)))).toMatchObject({ verdict: 'pass' });
    const quote = frame(family, [VIP[family], FAR[family]], [datagram(80, 9)]).slice(14);
    expect(node.incoming(from(family, VIP[family], portUnreachable(family), payload(quote)))).toMatchObject({ verdict: 'drop', reason: 163 });
    const split = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const late = split(from(family, VIP[family], datagram(7006, 80), payload(2000)), 1000, 4242)[1]!;
    expect(node.incoming(late)).toMatchObject({ verdict: 'drop', reason: 175 });
  });

  test('IPv4 options and IPv6 extension headers do not keep a packet from its service', () => {
    const layers = family === 4 ? [segment(7007, 80, 'syn')] : [extension('destinationOptions', { body: new Uint8Array(22) }), segment(7007, 80, 'syn')];
    const request = (to: string, ...more: Layer[]): Uint8Array => frame(family, [FAR[family], to], [...more, ...layers], family === 4 ? { options: Uint8Array.from([0x44, 8, 5, 0, 0, 0, 0, 0]) } : {});
    expect(ends(node.incoming(request(VIP[family]))).to).toBe(of(POD, family));
  });

  test('SCTP: an address is translated, a port is not', () => {
    expect(ends(node.incoming(from(family, VIP[family], sctp({ sourcePort: 7000, destinationPort: 95 }))))).toMatchObject({ to: of(POD, family), ports: [7000, 95] });
    expect(node.incoming(from(family, VIP[family], sctp({ sourcePort: 7000, destinationPort: 96 })))).toMatchObject({ verdict: 'drop', reason: 154 });
  });

  test('a new connection after the end of one begins anew', () => {
    const request = (...flags: Parameters<typeof segment>[2][]): Uint8Array => from(family, VIP[family], segment(7020, 81, ...flags));
    const sent = ends(node.incoming(request('syn')));
    node.incoming(request('fin', 'ack'));
    node.incoming(frame(family, [REMOTE[family], NODE[family]], [segment(8080, sent.ports[0]!, 'fin', 'ack')]));
    expect(node.translations().map(({ state }) => state & 3)).toEqual([3, 3]);
    expect(ends(node.incoming(request('syn')))).toEqual(sent);
    expect(node.translations().map(({ state }) => state)).toEqual([0, 0]);
    node.incoming(request('rst'));
    expect(node.translations().map(({ state }) => state & 4)).toEqual([4, 4]);
  });

  test('an entry whose partner was evicted brings it back', () => {
    const sent = ends(node.incoming(from(family, VIP[family], segment(7030, 81, 'syn'))));
    node.age(1);
    expect(node.evict(isReply)).toBe(1);
    expect(ends(node.incoming(from(family, VIP[family], segment(7030, 81, 'ack'))))).toEqual(sent);
    expect(node.translations()).toHaveLength(2);
    node.age(1);
    expect(node.evict((entry) => !isReply(entry))).toBe(1);
    expect(ends(node.incoming(frame(family, [REMOTE[family], NODE[family]], [segment(8080, sent.ports[0]!, 'ack')]))).to).toBe(FAR[family]);
    expect(node.translations()).toHaveLength(2);
  });
});

test('ClusterIPs are not for clients outside', () => {
  const { id } = node.addService({ address: '198.51.100.60', port: 80, backends: [{ address: POD.ipv4, port: 8080 }] });
  const view = new DataView(node.map('cilium_services').mmap().bytes.buffer, node.map('cilium_services').mmap().bytes.byteOffset);
  view.setUint32(id * 64 + 28, view.getUint32(id * 64 + 28, true) & ~SERVICE_FLAG.ROUTABLE, true);
  expect(node.incoming(from(4, '198.51.100.60', segment(1, 80, 'syn')))).toMatchObject({ verdict: 'drop', reason: 174 });
});

test('errors to clients are limited in number', () => {
  const began = performance.now();
  const answers = Array.from({ length: 4000 }, (_, at) => node.incoming(from(4, NONE[4], segment(at + 1, 5, 'syn'))).verdict);
  const seconds = (performance.now() - began) / 1000;
  const sent = answers.filter((verdict) => verdict === 'redirect').length;
  expect(sent).toBeGreaterThan(500);
  // each CPU 1,000 at once and 100 a second; the sandbox takes the kernel's HZ to be 250, which may be 1,000
  expect(sent).toBeLessThanOrEqual(cpus().length * (1050 + 400 * seconds));
});
