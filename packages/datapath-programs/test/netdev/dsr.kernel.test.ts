import { ipToKey16, parseIp } from '@cilium-ts/core';
import { DROP_REASON, FLOW_STATE, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { extension, fragmentIpv4, parsePacket, payload, tcp, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MAC, NODE, NodeSandbox } from './node-sandbox.ts';
import { datagram, ends, FAMILIES, FAR, frame, hex, of, POD, REMOTE, segment, unreachable, type Family } from './packets.ts';

const VIP = { 4: '198.51.100.50', 6: '2001:db8:51::50' } as const;
const SIZE = { 4: 8, 6: 24 } as const;
/** The node that clients reach, and the one that has the backend: two nodes that know the same services. */
let front: NodeSandbox;
let back: NodeSandbox;

beforeAll(async () => {
  front = await NodeSandbox.open();
  back = await NodeSandbox.open();
  // the same service, of which the backend is remote for one node and local for the other
  back.addPod({ slot: 5, ipv4: REMOTE[4], ipv6: REMOTE[6] });
  back.addPod(POD);
  for (const node of [front, back]) {
    for (const { family } of FAMILIES) {
      for (const protocol of [6, 17]) {
        const backends = [{ address: REMOTE[family], port: 8080 }];
        node.addService({ address: VIP[family], port: 80, protocol, flags: SERVICE_FLAG.DSR, backends });
        node.addService({ port: 30_080, protocol, flags: SERVICE_FLAG.DSR, backends });
        node.addService({ address: VIP[family], port: 81, protocol, backends });
      }
    }
  }
});
afterAll(() => {
  front.close();
  back.close();
});
beforeEach(() => {
  for (const node of [front, back]) node.evict(() => true);
});

const BACKEND = { slot: 5, ipv4: REMOTE[4], ipv6: REMOTE[6] } as const;
const from = (family: Family, to: string, ...layers: readonly Layer[]): Uint8Array => frame(family, [FAR[family], to], layers);
/** As it arrives at the backend's node: to the MAC address of its device. */
function carried(data: Uint8Array): Uint8Array {
  const copy = data.slice();
  copy.set(Buffer.from(MAC.eth0.replaceAll(':', ''), 'hex'), 0);
  return copy;
}

/** The same packet to somebody else: a forger's, whose checksums nobody has looked at yet. */
function readdressed(data: Uint8Array, family: Family, to: string, port: number): Uint8Array {
  const copy = data.slice();
  const bytes = ipToKey16(parseIp(to)!);
  copy.set(family === 4 ? bytes.slice(12) : bytes, family === 4 ? 14 + 16 : 14 + 24);
  const transport = 14 + (family === 4 ? 20 : 40) + SIZE[family];
  new DataView(copy.buffer).setUint16(transport + 2, port);
  return copy;
}

describe.each(FAMILIES.flatMap(({ family }) => (['TCP', 'UDP'] as const).map((protocol) => ({ family, protocol }))))('$protocol over IPv$family', ({ family, protocol }) => {
  const opening = (s: number, d: number): Layer => (protocol === 'TCP' ? segment(s, d, 'syn') : datagram(s, d));
  const later = (s: number, d: number): Layer => (protocol === 'TCP' ? segment(s, d, 'ack') : datagram(s, d));

  test.each([
    { what: 'a load balancer’s address', to: VIP[family], port: 80 },
    { what: 'a NodePort', to: NODE[family], port: 30_080 },
  ])('$what: the client’s address and the frontend travel along, the backend answers in the frontend’s name', ({ to, port }) => {
    const passage = front.incoming(from(family, to, opening(5555, port), payload('hello')));
    expect(passage.verdict).toBe('redirect');
    expect(ends(passage)).toEqual({ from: FAR[family], to: REMOTE[family], ports: [5555, 8080] });
    expect(passage.packet).toMatchObject({ ip: { ttl: 63, headerLength: (family === 4 ? 20 : 40) + SIZE[family] }, ethernet: { destination: MAC.other } });
    expect(hex(passage.packet.payload)).toBe(hex(Buffer.from('hello')));
    const arrived = back.incoming(carried(passage.data));
    expect(arrived.verdict).toBe('pass');
    expect(ends(arrived)).toEqual(ends(passage));
    const answer = back.leaving(frame(family, [REMOTE[family], FAR[family]], [protocol === 'TCP' ? segment(8080, 5555, 'syn', 'ack') : datagram(8080, 5555), payload('answer')]), BACKEND);
    expect(ends(answer)).toEqual({ from: to, to: FAR[family], ports: [port, 5555] });
    const more = front.incoming(from(family, to, later(5555, port), payload('more')));
    expect(ends(more)).toEqual(ends(passage));
    // of TCP only the SYN carries it
    expect(more.packet.ip!.headerLength).toBe((family === 4 ? 20 : 40) + (protocol === 'TCP' ? 0 : SIZE[family]));
    expect(back.incoming(carried(more.data)).verdict).toBe('pass');
    expect([front.translations().length, back.translations().length]).toEqual([1, 1]);
  });

  test('a frontend that is none is refused, and so is one that answers by its own node', () => {
    for (const port of [79, 81]) {
      const forged = front.incoming(from(family, VIP[family], opening(5556, 80)));
      const data = carried(forged.data);
      const view = new DataView(data.buffer);
      const at = family === 4 ? 14 + 20 + 2 : 14 + 40 + 4 + 16;
      expect(view.getUint16(at)).toBe(80);
      view.setUint16(at, port);
      expect(back.incoming(data).reason).toBe(158);
      front.evict(() => true);
    }
    expect(back.translations()).toEqual([]);
  });

  test('a pod does not answer in the name of a service that it is no backend of, nor at a port that is none', () => {
    const dropped = back.counted(DROP_REASON.NOT_A_BACKEND);
    const arriving = (source: number): Uint8Array => carried(front.incoming(from(family, VIP[family], opening(source, 80))).data);
    // the option of one packet, before others: to another pod, and to another port of the backend
    expect(back.incoming(readdressed(arriving(5561), family, of(POD, family), 8080))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NOT_A_BACKEND });
    expect(back.incoming(readdressed(arriving(5562), family, REMOTE[family], 8081))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NOT_A_BACKEND });
    expect(back.incoming(readdressed(arriving(5562), family, NODE[family], 8080))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NOT_A_BACKEND });
    expect(back.counted(DROP_REASON.NOT_A_BACKEND)).toBe(dropped + 3);
    expect(back.translations()).toEqual([]);
    // the answers of direct flows at these ports stay what they are
    const answer = back.leaving(frame(family, [of(POD, family), FAR[family]], [later(8080, 5561)]), 0);
    expect(ends(answer)).toMatchObject({ from: of(POD, family), ports: [8080, 5561] });
    expect(back.incoming(arriving(5563)).verdict).toBe('pass');
  });

  test('a packet in the name of a client that talks to the backend directly does not turn the answers elsewhere', () => {
    const forged = carried(front.incoming(from(family, VIP[family], opening(6200, 80))).data);
    expect(back.incoming(forged).verdict).toBe('pass');
    const now = back.lastSeen();
    back.evict(() => true);
    const number = protocol === 'TCP' ? 6 : 17;
    const direct = (state: number, lastSeen = now): void => back.recordFlow([FAR[family], 6200], [REMOTE[family], 8080], number, { lastSeen, state });
    const answer = frame(family, [REMOTE[family], FAR[family]], [later(8080, 6200)]);
    // a reset, too, may have been anybody's
    for (const state of [FLOW_STATE.CONFIRMED, FLOW_STATE.CONFIRMED | FLOW_STATE.RESET]) {
      direct(state);
      expect(back.incoming(forged)).toMatchObject({ verdict: 'drop', reason: 167 });
      expect(ends(back.leaving(answer, BACKEND))).toMatchObject({ from: REMOTE[family], ports: [8080, 6200] });
    }
    // when that connection has ended, its ports are free
    if (protocol === 'TCP') direct(FLOW_STATE.CONFIRMED | FLOW_STATE.FIN_0 | FLOW_STATE.FIN_1);
    else direct(0, now - 60 * 4);
    expect(back.incoming(forged).verdict).toBe('pass');
    expect(ends(back.leaving(answer, BACKEND))).toMatchObject({ from: VIP[family], ports: [80, 6200] });
  });

  test('a client that uses one port to two frontends of one backend is refused the second, until the first has ended', () => {
    const arrive = (to: string, port: number) => back.incoming(carried(front.incoming(from(family, to, opening(5557, port))).data));
    expect(arrive(VIP[family], 80).verdict).toBe('pass');
    expect(arrive(NODE[family], 30_080)).toMatchObject({ reason: 167 });
    expect(arrive(VIP[family], 80).verdict).toBe('pass');
    back.age(9000);
    expect(arrive(NODE[family], 30_080).verdict).toBe('pass');
    expect(ends(back.leaving(frame(family, [REMOTE[family], FAR[family]], [later(8080, 5557)]), BACKEND))).toMatchObject({ from: NODE[family], ports: [30_080, 5557] });
  });

  test('the second frontend is served at once where both ends have closed the first connection', () => {
    if (protocol === 'UDP') return; // has no end
    const arrive = (to: string, port: number) => back.incoming(carried(front.incoming(from(family, to, opening(6400, port))).data));
    expect(arrive(VIP[family], 80).verdict).toBe('pass');
    for (const [state, verdict] of [[FLOW_STATE.CONFIRMED, 'drop'], [FLOW_STATE.CONFIRMED | FLOW_STATE.RESET, 'drop'], [FLOW_STATE.CONFIRMED | FLOW_STATE.FIN_0, 'drop'], [FLOW_STATE.CONFIRMED | FLOW_STATE.FIN_0 | FLOW_STATE.FIN_1, 'pass']] as const) {
      back.recordFlow([FAR[family], 6400], [REMOTE[family], 8080], 6, { lastSeen: back.lastSeen(), state });
      expect([state, arrive(NODE[family], 30_080).verdict]).toEqual([state, verdict]);
    }
    expect(ends(back.leaving(frame(family, [REMOTE[family], FAR[family]], [later(8080, 6400)]), BACKEND))).toMatchObject({ from: NODE[family], ports: [30_080, 6400] });
  });

  test('no room for the frontend: the client hears of the size that fits', () => {
    // exactly what the way takes: with the frontend it would be too long
    const length = 1500 - (family === 4 ? 20 : 40) - (protocol === 'TCP' ? 20 : 8);
    const passage = front.incoming(from(family, VIP[family], opening(5558, 80), payload(length)));
    expect(passage).toMatchObject({ verdict: 'redirect', reason: 136, packet: { transport: family === 4 ? { type: 3, code: 4 } : { type: 2, code: 0 } } });
    const mtu = new DataView(passage.data.buffer, passage.data.byteOffset + passage.packet.ip!.headerLength + 14).getUint32(4);
    expect(mtu).toBe(1500 - SIZE[family]);
    expect(front.incoming(from(family, VIP[family], opening(5559, 80), payload(length - SIZE[family]))).data.length).toBe(1514);
  });

  test('an error about a packet sent on finds the client', () => {
    const request = from(family, VIP[family], later(5560, 80), payload('question'));
    const arrived = back.incoming(carried(front.incoming(from(family, VIP[family], opening(5560, 80))).data));
    const error = back.leaving(frame(family, [NODE[family], FAR[family]], [unreachable(family), payload(arrived.data.slice(14))]), 0);
    expect(ends(error)).toMatchObject({ from: NODE[family], to: FAR[family] });
    const quoted = parsePacket(Buffer.concat([request.slice(0, 14), error.packet.payload]));
    expect(quoted).toMatchObject({ ip: { source: FAR[family], destination: VIP[family] }, transport: { sourcePort: 5560, destinationPort: 80 } });
  });
});

test.each(FAMILIES)('IPv$family: a process of the other node answers in the frontend’s name, too', ({ family }) => {
  const other = family === 4 ? '192.0.2.2' : '2001:db8:2::2';
  const frontend = { address: VIP[family], port: 85, protocol: 6, flags: SERVICE_FLAG.DSR, backends: [{ address: other, port: 9090 }] };
  front.addService(frontend);
  back.addService(frontend);
  back.addNodeAddress(other);
  const passage = front.incoming(from(family, VIP[family], segment(6100, 85, 'syn')));
  expect(ends(passage)).toMatchObject({ from: FAR[family], to: other });
  expect(back.incoming(carried(passage.data)).verdict).toBe('pass');
  expect(ends(back.leaving(frame(family, [other, FAR[family]], [segment(9090, 6100, 'syn', 'ack')]), 0))).toMatchObject({ from: VIP[family], ports: [85, 6100] });
});

describe.each(FAMILIES)('a TCP connection whose backend goes, IPv$family', ({ family }) => {
  const ANOTHER = family === 4 ? '10.0.1.6' : 'fd00:1::6';
  const NUMBERS = { sequence: 0x1234_5678, acknowledgement: 0xfedc_ba98 };
  const at = (address: string) => ({ address, port: 8080 });
  let port = 400 + family;
  let service: ReturnType<NodeSandbox['addService']>;
  const open = (backend: string, node = front): void => {
    service = node.addService({ address: VIP[family], port: (port += 10), flags: SERVICE_FLAG.DSR, backends: [at(backend)] });
  };
  /** The service has this backend instead; the first one has ended. */
  const become = (backend?: string, node = front): void => {
    const index = backend === undefined ? [] : [node.addBackend(service.id, backend, 8080, 6)];
    node.setBackends(service.id, index);
    for (const each of service.backends) node.endBackend(each);
    service = { ...service, backends: index };
  };
  const client = (flags: readonly TcpFlag[], more: readonly Layer[] = [], extra = {}): Uint8Array => frame(family, [FAR[family], VIP[family]], [tcp({ sourcePort: 6300, destinationPort: port, flags, ...NUMBERS }), ...more], extra);
  const send = (flags: readonly TcpFlag[], ...more: readonly Layer[]) => front.incoming(client(flags, more));
  const option = ({ packet }: ReturnType<typeof send>): number => packet.ip!.headerLength - (family === 4 ? 20 : 40);
  const expectReset = (passage: ReturnType<typeof send>): void => {
    expect(passage).toMatchObject({ verdict: 'redirect', reason: 158 });
    expect(ends(passage)).toEqual({ from: VIP[family], to: FAR[family], ports: [port, 6300] });
    expect(passage.packet).toMatchObject({ ethernet: { source: MAC.eth0, destination: MAC.router }, transport: { flags: ['rst'] } });
    const view = new DataView(passage.data.buffer, passage.data.byteOffset + passage.data.length - 20);
    expect([view.getUint32(4), view.getUint32(8), view.getUint16(14)]).toEqual([NUMBERS.acknowledgement, 0, 0]);
    expect(passage.data.length).toBe(14 + (family === 4 ? 20 : 40) + 20);
  };

  test('to one elsewhere: it is reset in the frontend’s name, as often as it asks, and begins anew there', () => {
    open(REMOTE[family]);
    expect(ends(send(['syn'])).to).toBe(REMOTE[family]);
    become(ANOTHER);
    expectReset(send(['ack']));
    expectReset(send(['ack', 'psh'], payload('more')));
    expectReset(send(['fin', 'ack']));
    expectReset(send(['ack'], payload(3)));
    expect(front.translations()).toHaveLength(1);
    const anew = send(['syn']);
    expect([ends(anew).to, option(anew)]).toEqual([ANOTHER, SIZE[family]]);
    expect(ends(send(['ack'])).to).toBe(ANOTHER);
  });

  test('a reset of its own is answered by none, nor what has IPv4 options or extension headers', () => {
    open(REMOTE[family]);
    send(['syn']);
    become(ANOTHER);
    const hop = extension('destinationOptions', { body: new Uint8Array(6) });
    const odd = family === 4 ? client(['ack'], [], { options: Uint8Array.from([1, 1, 1, 0]) }) : frame(6, [FAR[6], VIP[6]], [hop, tcp({ sourcePort: 6300, destinationPort: port, flags: ['ack'], ...NUMBERS })]);
    expect(front.incoming(odd)).toMatchObject({ verdict: 'drop', reason: 158 });
    expect(ends(send(['rst'])).to).toBe(ANOTHER);
  });

  test('from one of this node to one elsewhere', () => {
    open(REMOTE[family], back);
    const incoming = (flags: readonly TcpFlag[]) => back.incoming(client(flags));
    expect(ends(incoming(['syn'])).to).toBe(REMOTE[family]);
    become(ANOTHER, back);
    expectReset(incoming(['ack']));
    expectReset(incoming(['ack']));
    // what the old one still says is the service's
    expect(ends(back.leaving(frame(family, [REMOTE[family], FAR[family]], [segment(8080, 6300, 'ack')]), BACKEND)).from).toBe(VIP[family]);
  });

  test('from one elsewhere to one of this node: its own reset is translated', () => {
    open(ANOTHER, back);
    expect(ends(back.incoming(client(['syn']))).to).toBe(ANOTHER);
    become(REMOTE[family], back);
    expect(ends(back.incoming(client(['ack']))).to).toBe(REMOTE[family]);
    expect(ends(back.leaving(frame(family, [REMOTE[family], FAR[family]], [segment(8080, 6300, 'rst')]), BACKEND)).from).toBe(VIP[family]);
  });

  test('one that went and came back at the same address has its connections as before', () => {
    open(REMOTE[family]);
    send(['syn']);
    become(ANOTHER);
    expectReset(send(['ack']));
    become(REMOTE[family]);
    expect(ends(send(['ack']))).toEqual({ from: FAR[family], to: REMOTE[family], ports: [6300, 8080] });
  });

  test('none is left: a connection is reset, who asks for one is told', () => {
    open(REMOTE[family]);
    send(['syn']);
    become();
    expectReset(send(['ack']));
    expect(send(['syn'])).toMatchObject({ verdict: 'redirect', reason: 158, packet: { transport: family === 4 ? { type: 3, code: 3 } : { type: 1, code: 4 } } });
  });
});

test('resets of what nobody serves are not sent where refusals are silent, but for a connection whose backend has gone', async () => {
  using node = await NodeSandbox.open({ service_reject: 0 });
  const { id, backends } = node.addService({ address: VIP[4], port: 80, flags: SERVICE_FLAG.DSR, backends: [{ address: REMOTE[4], port: 8080 }] });
  node.addWildcard(VIP[4]);
  expect(node.incoming(from(4, VIP[4], segment(1, 5, 'ack')))).toMatchObject({ verdict: 'drop', reason: 158 });
  node.incoming(from(4, VIP[4], segment(1, 80, 'syn')));
  node.setBackends(id, [node.addBackend(id, '10.0.1.6', 8080, 6)]);
  node.endBackend(backends[0]!);
  expect(node.incoming(from(4, VIP[4], segment(1, 80, 'ack')))).toMatchObject({ verdict: 'redirect', packet: { transport: { flags: ['rst'] } } });
});

test('SNAT and DSR side by side: each service as it says (hybrid)', () => {
  expect(ends(front.incoming(from(4, VIP[4], segment(6000, 80, 'syn')))).from).toBe(FAR[4]);
  expect(ends(front.incoming(from(4, VIP[4], datagram(6000, 81)))).from).toBe(NODE[4]);
});

test('fragments: the first carries the frontend, all go to the backend', () => {
  const pieces = fragmentIpv4(from(4, VIP[4], datagram(6001, 80), payload(2000)), 1000, 9).map((piece) => front.incoming(piece));
  expect(pieces.map((piece) => [piece.verdict, piece.packet.ip!.destination, piece.packet.ip!.headerLength])).toEqual([['redirect', REMOTE[4], 28], ['redirect', REMOTE[4], 20], ['redirect', REMOTE[4], 20]]);
  for (const piece of pieces) expect(back.incoming(carried(piece.data)).verdict).toBe('pass');
  expect(ends(back.leaving(frame(4, [REMOTE[4], FAR[4]], [datagram(8080, 6001)]), BACKEND)).from).toBe(VIP[4]);
});

test('other options are none of this', () => {
  const timestamp = Uint8Array.from([0x44, 8, 5, 0, 0, 0, 0, 0]);
  const data = frame(4, [FAR[4], POD.ipv4], [segment(1, 2, 'syn')], { options: timestamp });
  expect(back.incoming(data)).toMatchObject({ verdict: 'pass' });
  const padded = frame(6, [FAR[6], POD.ipv6], [extension('destinationOptions', { body: new Uint8Array(22) }), segment(1, 2, 'syn')]);
  expect(back.incoming(padded)).toMatchObject({ verdict: 'pass' });
  expect(back.translations()).toEqual([]);
  // a packet with options of its own gets the frontend before them
  const passage = front.incoming(frame(4, [FAR[4], VIP[4]], [segment(6002, 80, 'syn')], { options: timestamp }));
  expect(ends(passage).to).toBe(REMOTE[4]);
  expect(passage.packet.ip!.headerLength).toBe(36);
  expect(back.incoming(carried(passage.data)).verdict).toBe('pass');
  const full = frame(4, [FAR[4], VIP[4]], [segment(6003, 80, 'syn')], { options: Uint8Array.from({ length: 40 }, () => 1) });
  expect(front.incoming(full)).toMatchObject({ verdict: 'drop', reason: 240 });
});
