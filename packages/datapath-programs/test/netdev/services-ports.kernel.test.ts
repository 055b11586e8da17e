import { sctp, payload, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isReply, NODE, NODE1, NodeSandbox } from './node-sandbox.ts';
import { datagram, ends, FAMILIES, FAR, frame, hex, of, POD, portUnreachable, SECOND, segment, type Family } from './packets.ts';

const VIP = { 4: '198.51.100.50', 6: '2001:db8:51::50' } as const;
const OTHER_VIP = { 4: '198.51.100.52', 6: '2001:db8:51::52' } as const;
const from = (family: Family, to: string, ...layers: readonly Layer[]): Uint8Array => frame(family, [FAR[family], to], layers);
let node: NodeSandbox;

beforeAll(async () => {
  node = await NodeSandbox.open();
  node.addPod(POD);
  node.addPod(SECOND);
  for (const { family } of FAMILIES) {
    const local = { address: of(POD, family), port: 8080 };
    for (const protocol of [6, 17]) {
      node.addService({ port: 30_080, protocol, backends: [local] });
      node.addService({ port: 30_082, protocol, backends: [{ address: NODE[family], port: 9090 }] });
      node.addService({ address: VIP[family], port: 80, protocol, backends: [local] });
    }
    node.addService({ address: VIP[family], port: 95, protocol: 132, backends: [{ address: of(POD, family), port: 95 }] });
  }
});
afterAll(() => node.close());
beforeEach(() => node.evict(() => true));

describe.each(FAMILIES)('one client port to several frontends over IPv$family', ({ family }) => {
  test.each(['TCP', 'UDP'] as const)('a client that uses one port to two frontends of one backend keeps its address, and gets another port to the second, %s', (protocol) => {
    const layer = (sport: number, dport: number, ...flags: TcpFlag[]): Layer => (protocol === 'TCP' ? segment(sport, dport, ...flags) : datagram(sport, dport));
    const pod = of(POD, family);
    const send = (to: string, port: number, ...flags: TcpFlag[]) => ends(node.incoming(from(family, to, layer(7010, port, ...flags), payload('question'))));
    const answer = (port: number) => ends(node.leaving(frame(family, [pod, FAR[family]], [layer(8080, port, 'syn', 'ack'), payload('answer')]), POD));
    expect(send(VIP[family], 80, 'syn')).toEqual({ from: FAR[family], to: pod, ports: [7010, 8080] });
    const second = send(NODE[family], 30_080, 'syn');
    expect(second).toEqual({ from: FAR[family], to: pod, ports: [expect.any(Number), 8080] });
    const port = second.ports[0]!;
    expect(port).not.toBe(7010);
    expect(port).toBeGreaterThanOrEqual(1024);
    expect(answer(7010)).toEqual({ from: VIP[family], to: FAR[family], ports: [80, 7010] });
    expect(answer(port)).toEqual({ from: NODE[family], to: FAR[family], ports: [30_080, 7010] });
    expect(send(NODE[family], 30_080, 'ack')).toEqual(second);
    expect(send(VIP[family], 80, 'ack').ports).toEqual([7010, 8080]);
    expect(node.translations()).toHaveLength(4);
    // either entry of the second, once lost, is found again
    for (const reply of [true, false]) {
      node.age(1);
      expect(node.evict((each) => isReply(each) === reply && (each.from.includes(` ${port}`) || each.to.includes(` ${port}`) || each.newFrom.includes(` ${port}`) || each.newTo.includes(` ${port}`)))).toBe(1);
      expect(send(NODE[family], 30_080, 'ack')).toEqual(second);
      expect(answer(port)).toEqual({ from: NODE[family], to: FAR[family], ports: [30_080, 7010] });
    }
    // an error about it is translated as well
    const arrived = node.incoming(from(family, NODE[family], layer(7010, 30_080, 'ack'), payload('question')));
    const error = node.leaving(frame(family, [pod, FAR[family]], [portUnreachable(family), payload(arrived.data.slice(14))]), POD);
    expect(ends(error)).toMatchObject({ from: NODE[family], to: FAR[family] });
    expect(hex(error.packet.payload)).toBe(hex(from(family, NODE[family], layer(7010, 30_080, 'ack'), payload('question')).slice(14)));
    // the first one's port is free again once it is forgotten
    node.evict((each) => each.from.endsWith(' 80') || each.to.endsWith(' 80') || each.newFrom.endsWith(' 80'));
    expect(send(NODE[family], 30_080, 'ack')).toEqual(second);
  });

  test('of two ports below 1024 the second stays below', () => {
    const send = (to: string, port: number) => ends(node.incoming(from(family, to, segment(600, port, 'syn')))).ports[0]!;
    expect(send(VIP[family], 80)).toBe(600);
    const second = send(NODE[family], 30_080);
    expect(second).toBeGreaterThan(0);
    expect(second).toBeLessThan(1024);
  });

  test('a third and a fourth frontend, one of them a process of the node: each connection is itself', () => {
    const ports = [[VIP[family], 80], [NODE[family], 30_080], [NODE1[family], 30_080], [NODE[family], 30_082], [NODE1[family], 30_082]] as const;
    const sent = ports.map(([to, port]) => ends(node.incoming(from(family, to, segment(7012, port, 'syn')))));
    expect(new Set(sent.map(({ to, ports: [sport] }) => `${to} ${sport}`)).size).toBe(ports.length);
    sent.forEach(({ to, ports: [sport, dport] }, at) => {
      const reply = node.leaving(frame(family, [to, FAR[family]], [segment(dport!, sport!, 'syn', 'ack')]), to === of(POD, family) ? POD : 0);
      expect(ends(reply)).toEqual({ from: ports[at]![0], to: FAR[family], ports: [ports[at]![1], 7012] });
    });
  });

  test('over SCTP, whose ports stay, the second connection is refused, or led to another backend', () => {
    const to = (port: number) => from(family, VIP[family], sctp({ sourcePort: 7013, destinationPort: port }));
    expect(ends(node.incoming(to(95))).to).toBe(of(POD, family));
    node.addService({ address: OTHER_VIP[family], port: 95, protocol: 132, backends: [{ address: of(POD, family), port: 95 }] });
    expect(node.incoming(from(family, OTHER_VIP[family], sctp({ sourcePort: 7013, destinationPort: 95 })))).toMatchObject({ verdict: 'drop', reason: 167 });
  });

  test('with affinity the client keeps its backend from whichever port', () => {
    const address = OTHER_VIP[family];
    const backends = [POD, SECOND].map((pod) => ({ address: of(pod, family), port: 8080 }));
    for (const port of [201, 202]) node.addService({ address, port, backends, affinitySeconds: 100 });
    const send = (port: number) => ends(node.incoming(from(family, address, segment(7014, port, 'syn')))).to;
    const first = [send(201), send(202)];
    node.evict(() => true);
    expect([send(202), send(201)].reverse()).toEqual(first);
  });
});
