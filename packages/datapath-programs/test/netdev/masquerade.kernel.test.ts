import { NAT_STATE } from '@cilium-ts/datapath-layout';
import { ethernet, fragmentIpv4, fragmentIpv6, icmpv6, packet, payload, sctp, type Layer } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ETH0, ETH1, isReply, MAC, NODE, NODE1, NodeSandbox, OTHER, type LocalPod } from './node-sandbox.ts';
import { datagram, echo, echoId, ends, FAMILIES, FAR, frame, hex, of, POD, portUnreachable, SECOND, segment, unreachable, type Family } from './packets.ts';

const out = (family: Family, pod: LocalPod, ...layers: readonly Layer[]): Uint8Array => frame(family, [of(pod, family), FAR[family]], layers);
const back = (family: Family, ...layers: readonly Layer[]): Uint8Array => frame(family, [FAR[family], NODE[family]], layers);

let node: NodeSandbox;

beforeAll(async () => {
  node = await NodeSandbox.open({ nat_seed: 12_345 });
  node.addPod(POD);
  node.addPod(SECOND);
  node.exclude('10.0.0.0/8');
  node.exclude('fd00::/16');
});
afterAll(() => node.close());
beforeEach(() => {
  node.evict(() => true);
  for (const key of [...node.map('cilium_flows').keys()]) node.map('cilium_flows').delete(key);
});

describe.each(FAMILIES)('IPv$family', ({ family }) => {
  test.each([
    { what: 'TCP', layer: (s: number, d: number, answer: boolean) => (answer ? segment(s, d, 'syn', 'ack') : segment(s, d, 'syn')) },
    { what: 'UDP', layer: (s: number, d: number) => datagram(s, d) },
  ])('$what leaves with the address of the node, its answers find the endpoint', ({ layer }) => {
    const sent = ends(node.leaving(out(family, POD, layer(40_000, 443, false), payload('hello')), POD));
    expect(sent).toMatchObject({ from: NODE[family], to: FAR[family], ports: [expect.any(Number), 443] });
    expect(sent.ports[0]).toBeGreaterThanOrEqual(61_000);
    const again = ends(node.leaving(out(family, POD, layer(40_000, 443, false), payload('hello again')), POD));
    expect(again).toEqual(sent);
    const answered = ends(node.incoming(back(family, layer(443, sent.ports[0]!, true), payload('answer'))));
    expect(answered).toEqual({ from: FAR[family], to: of(POD, family), ports: [443, 40_000] });
    expect(node.translations()).toHaveLength(2);
  });

  test('a port within the range is kept', () => {
    expect(ends(node.leaving(out(family, POD, segment(62_000, 443, 'syn')), POD)).ports).toEqual([62_000, 443]);
    const second = ends(node.leaving(out(family, SECOND, segment(62_000, 443, 'syn')), SECOND));
    expect(second.ports[0]).not.toBe(62_000);
    for (const [port, pod] of [[62_000, POD], [second.ports[0]!, SECOND]] as const) {
      expect(ends(node.incoming(back(family, segment(443, port, 'syn', 'ack'))))).toMatchObject({ to: of(pod, family), ports: [443, 62_000] });
    }
  });

  test('echo requests get an identifier, replies theirs back', () => {
    const sent = node.leaving(out(family, POD, echo(family, 'request', 7), payload('ping')), POD);
    expect(ends(sent)).toMatchObject({ from: NODE[family], to: FAR[family] });
    const answered = node.incoming(back(family, echo(family, 'reply', echoId(sent)), payload('ping')));
    expect(ends(answered)).toMatchObject({ from: FAR[family], to: of(POD, family) });
    expect(echoId(answered)).toBe(7);
    const other = node.leaving(out(family, SECOND, echo(family, 'request', 7), payload('ping')), SECOND);
    expect(echoId(other)).not.toBe(echoId(sent));
  });

  test.each(['TCP', 'UDP', 'echo'] as const)('an error about %s is translated with what it quotes', (what) => {
    const layer = what === 'TCP' ? segment(40_001, 443, 'ack') : what === 'UDP' ? datagram(40_001, 443) : echo(family, 'request', 40_001);
    const original = out(family, POD, layer, payload('some payload'));
    const sent = node.leaving(original, POD);
    ends(sent);
    const router = family === 4 ? '198.51.100.77' : '2001:db8:51::77';
    const error = node.incoming(frame(family, [router, NODE[family]], [unreachable(family), payload(sent.data.slice(14))]));
    expect(ends(error)).toMatchObject({ from: router, to: of(POD, family) });
    // what the endpoint sees quoted is byte for byte what it sent
    expect(hex(error.packet.payload)).toBe(hex(original.slice(14)));
  });

  test('an error of the far end itself comes from the far end, and one about a quote cut short is translated too', () => {
    const original = out(family, POD, datagram(40_002, 53), payload('question'));
    const sent = node.leaving(original, POD);
    const header = family === 4 ? 20 : 40;
    const error = node.incoming(frame(family, [FAR[family], NODE[family]], [portUnreachable(family), payload(sent.data.slice(14, 14 + header + 8))]));
    expect(ends(error)).toMatchObject({ from: FAR[family], to: of(POD, family) });
    expect(hex(error.packet.payload)).toBe(hex(original.slice(14, 14 + header + 8)));
  });

  test('fragments follow their first one, both ways', () => {
    const split = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const pieces = split(out(family, POD, datagram(40_003, 53), payload(2000)), 1000, 77).map((piece) => node.leaving(piece, POD));
    expect(pieces.map((piece) => piece.packet.ip!.source)).toEqual([NODE[family], NODE[family], NODE[family]]);
    const port = pieces[0]!.packet.transport!.sourcePort!;
    const answers = split(back(family, datagram(53, port), payload(2000)), 1000, 78).map((piece) => node.incoming(piece));
    expect(answers.map((piece) => piece.packet.ip!.destination)).toEqual(Array.from({ length: 3 }, () => of(POD, family)));
    // put together again, the datagram's checksum is right
    const whole = Buffer.concat([answers[0]!.data.subarray(answers[0]!.packet.ip!.headerLength + 14), ...answers.slice(1).map((piece) => piece.packet.payload)]);
    const rebuilt = frame(family, [FAR[family], of(POD, family)], [payload(new Uint8Array(whole))], family === 4 ? { protocol: 17 } : { nextHeader: 17 });
    expect(node.incoming(rebuilt).packet.transport).toMatchObject({ sourcePort: 53, destinationPort: 40_003, checksumValid: true });
  });

  test('what is excluded, of another node or an answer to who asked from outside keeps its address', () => {
    const excluded = family === 4 ? '10.0.1.5' : 'fd00:1::5';
    expect(ends(node.leaving(frame(family, [of(POD, family), excluded], [segment(1000, 80, 'syn')]), POD)).from).toBe(of(POD, family));
    node.recordFlow([FAR[family], 5555], [of(POD, family), 80], 6);
    expect(ends(node.leaving(out(family, POD, segment(80, 5555, 'syn', 'ack')), POD)).from).toBe(of(POD, family));
    node.recordFlow([of(POD, family), 81], [FAR[family], 5555], 6);
    expect(ends(node.leaving(out(family, POD, segment(81, 5555, 'ack')), POD)).from).toBe(NODE[family]);
  });

  test('only endpoints are masqueraded: not other devices, not the node, not forged sources', () => {
    for (const by of [0, ETH1, SECOND]) expect(ends(node.leaving(out(family, POD, segment(1000, 80, 'syn')), by)).from).toBe(of(POD, family));
    expect(node.translations()).toEqual([]);
  });

  test('the device decides on the address; one without masquerade leaves all as it is', () => {
    expect(ends(node.leaving(out(family, POD, segment(1000, 80, 'syn')), POD, ETH1)).from).toBe(NODE1[family]);
    node.setDevice(ETH1, NODE1, 0);
    expect(ends(node.leaving(out(family, POD, segment(1001, 80, 'syn')), POD, ETH1)).from).toBe(of(POD, family));
    node.setDevice(ETH1, {});
    expect(ends(node.leaving(out(family, POD, segment(1002, 80, 'syn')), POD, ETH1)).from).toBe(of(POD, family));
    node.setDevice(ETH1, NODE1);
  });

  test('an original entry that was evicted is made again, by its answer or by its own next packet', () => {
    const port = ends(node.leaving(out(family, POD, segment(40_010, 443, 'syn')), POD)).ports[0]!;
    expect(node.evict((entry) => !isReply(entry))).toBe(1);
    expect(ends(node.leaving(out(family, POD, segment(40_010, 443, 'ack')), POD)).ports[0]).toBe(port);
    expect(node.evict((entry) => !isReply(entry))).toBe(1);
    node.age(1);
    expect(ends(node.incoming(back(family, segment(443, port, 'ack')))).ports).toEqual([443, 40_010]);
    expect(node.translations()).toHaveLength(2);
    expect(node.evict(isReply)).toBe(1);
    node.age(1);
    expect(ends(node.leaving(out(family, POD, segment(40_010, 443, 'ack')), POD)).ports[0]).toBe(port);
    expect(node.translations()).toHaveLength(2);
  });

  test('a connection that both ends closed is forgotten soon, an established one is not', () => {
    const port = ends(node.leaving(out(family, POD, segment(40_011, 443, 'syn')), POD)).ports[0]!;
    node.leaving(out(family, POD, segment(40_011, 443, 'ack')), POD);
    node.age(600);
    expect(ends(node.incoming(back(family, segment(443, port, 'ack')))).to).toBe(of(POD, family));
    node.leaving(out(family, POD, segment(40_011, 443, 'fin', 'ack')), POD);
    node.incoming(back(family, segment(443, port, 'fin', 'ack')));
    expect(node.translations().map(({ state }) => state & 3)).toEqual([3, 3]);
    node.age(11);
    expect(ends(node.incoming(back(family, segment(443, port, 'ack')))).to).toBe(NODE[family]);
  });

  test('a reset that anybody may have sent costs a connection nothing: who goes on is let on', () => {
    const states = (): number[] => node.translations().map(({ state }) => state & NAT_STATE.RESET);
    const opened = ends(node.leaving(out(family, POD, segment(40_012, 443, 'syn')), POD));
    const port = opened.ports[0]!;
    node.incoming(back(family, segment(443, port, 'syn', 'ack')));
    const send = (): unknown => ends(node.leaving(out(family, POD, segment(40_012, 443, 'ack')), POD));
    const answer = (): unknown => ends(node.incoming(back(family, segment(443, port, 'ack'))));
    send();
    const answered = answer();
    for (const goesOn of [send, answer]) {
      // blind, by an outsider: in a moment, and after far longer than an ended connection is remembered
      for (const idle of [0, 60]) {
        node.incoming(back(family, segment(443, port, 'rst')));
        expect(states()).toEqual([NAT_STATE.RESET, NAT_STATE.RESET]);
        if (idle > 0) node.age(idle);
        expect(goesOn()).toEqual(goesOn === send ? opened : answered);
        expect(states()).toEqual([0, 0]);
      }
    }
    node.age(60);
    expect([send(), answer()]).toEqual([opened, answered]);
  });

  test('a process of the node gives way to a connection that has its port', () => {
    const port = ends(node.leaving(out(family, POD, segment(62_500, 443, 'syn')), POD)).ports[0]!;
    expect(port).toBe(62_500);
    const own = ends(node.leaving(frame(family, [NODE[family], FAR[family]], [segment(62_500, 443, 'syn')]), 0));
    expect(own.from).toBe(NODE[family]);
    expect(own.ports[0]).not.toBe(62_500);
    expect(ends(node.incoming(back(family, segment(443, own.ports[0]!, 'syn', 'ack'))))).toMatchObject({ to: NODE[family], ports: [443, 62_500] });
    expect(ends(node.incoming(back(family, segment(443, 62_500, 'syn', 'ack'))))).toMatchObject({ to: of(POD, family), ports: [443, 62_500] });
    // one without a rival keeps its port
    expect(ends(node.leaving(frame(family, [NODE[family], FAR[family]], [segment(62_500, 444, 'syn')]), 0)).ports[0]).toBe(62_500);
  });
});

test('SCTP keeps its port or is refused; what has no ports is told apart by addresses alone', () => {
  const message = (pod: LocalPod): Uint8Array => out(4, pod, sctp({ sourcePort: 5000, destinationPort: 36_412 }));
  expect(ends(node.leaving(message(POD), POD))).toMatchObject({ from: NODE[4], ports: [5000, 36_412] });
  expect(node.leaving(message(SECOND), SECOND)).toMatchObject({ verdict: 'drop', reason: 154 });
  const gre = (pod: LocalPod): Uint8Array => frame(4, [pod.ipv4, FAR[4]], [payload('0000000000')], { protocol: 47 });
  expect(ends(node.leaving(gre(POD), POD)).from).toBe(NODE[4]);
  expect(node.leaving(gre(SECOND), SECOND)).toMatchObject({ verdict: 'drop', reason: 167 });
});

test('an answer opens nothing: a SYN to a translated port, or another sender, stays the node’s', () => {
  const port = ends(node.leaving(out(4, POD, segment(40_020, 443, 'syn')), POD)).ports[0]!;
  expect(ends(node.incoming(back(4, segment(443, port, 'syn')))).to).toBe(NODE[4]);
  expect(ends(node.incoming(frame(4, ['203.0.113.10', NODE[4]], [segment(443, port, 'syn', 'ack')]))).to).toBe(NODE[4]);
  expect(ends(node.incoming(back(4, segment(444, port, 'syn', 'ack')))).to).toBe(NODE[4]);
});

test('packets that are none of the programs’ business pass, whatever they look like', () => {
  for (const data of [
    packet(ethernet({ source: MAC.router, destination: MAC.eth0, etherType: 0x88cc }), payload(60)),
    frame(4, [FAR[4], NODE[4]], [segment(1, 2, 'syn')], { checksum: 1 }),
    frame(4, [FAR[4], NODE[4]], [payload(3)], { protocol: 6 }),
    frame(6, ['fe80::9', 'ff02::1'], [icmpv6({ type: 135, rest: 0 }), payload(16)]),
    frame(4, [FAR[4], OTHER[4]], [segment(9, 9, 'ack')]),
  ]) {
    const passage = node.incoming(data);
    expect(passage.verdict).toBe('pass');
    expect(Buffer.from(passage.data).equals(Buffer.from(data))).toBe(true);
  }
  expect(node.translations()).toEqual([]);
});

test('a GSO packet is translated as any other', () => {
  const passage = node.leaving(out(4, POD, segment(40_030, 443, 'ack'), payload(3000)), POD, ETH0, { gsoSize: 1448, gsoSegments: 3 });
  expect(ends(passage)).toMatchObject({ from: NODE[4], to: FAR[4] });
});
