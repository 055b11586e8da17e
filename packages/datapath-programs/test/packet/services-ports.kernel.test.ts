import { DROP_REASON } from '@cilium-ts/datapath-layout';
import { fragmentIpv4, fragmentIpv6, parsePacket, payload, type TcpFlag } from '@cilium-ts/testkit';
import { describe, expect, test } from 'vitest';
import { A, B, FAMILIES, frame, fromPod, ip, quoted, segment, toPod, unreachable } from './frames.ts';
import { device, OPEN, type Outcome } from './sandbox.ts';
import { BACKEND_PORT, bytes, delivered, LOOPBACK, OTHER_VIP, PORT, PROTOCOLS, sandbox, services, sides, TCP, useServices, VIP, wait } from './services-rig.ts';

useServices();

const portOf = (data: Uint8Array): number => parsePacket(data).transport!.sourcePort!;

describe.each(FAMILIES)('one client port to two services of one backend over IPv$family', ({ family }) => {
  const [a, b, vip] = [ip(A, family), ip(B, family), VIP[family]];
  const both = (protocol: number): void => {
    for (const [id, address] of [[1, vip], [2, OTHER_VIP[family]]] as const) services.add({ id, address, port: PORT, protocol, backends: [{ address: b, port: BACKEND_PORT }] });
  };

  describe.each(PROTOCOLS)('$name', ({ protocol, layer, first, answer }) => {
    test('two services on one backend with one client port: the backend sees another port of the second', () => {
      both(protocol);
      const second = (make: typeof layer) => sandbox.from(A, fromPod(A, family, OTHER_VIP[family], make(4000, PORT)));
      const reply = (port: number, make: typeof layer = layer) => bytes(sandbox.from(B, fromPod(B, family, a, make(BACKEND_PORT, port))).data);
      const answered = (from: string, make: typeof layer = layer) => bytes(delivered(family, A, [from, a], make(PORT, 4000)));
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      const sent = second(first);
      const port = portOf(sent.data);
      expect(port).not.toBe(4000);
      expect(port).toBeGreaterThanOrEqual(1024);
      expect(bytes(sent.data)).toBe(bytes(delivered(family, B, [a, b], first(port, BACKEND_PORT))));
      // and the same when it asks again
      expect(bytes(second(first).data)).toBe(bytes(sent.data));
      expect(reply(port, answer)).toBe(answered(OTHER_VIP[family], answer));
      expect(reply(4000, answer)).toBe(answered(vip, answer));
      expect(sides()).toEqual(['reply', 'reply', 'request', 'request']);
      expect(sandbox.flows().flatMap(({ service }) => service?.otherPort ?? []).sort((x, y) => x - y)).toEqual([4000, port].sort((x, y) => x - y));
      const goesOn = (): void => {
        expect(bytes(second(layer).data)).toBe(bytes(delivered(family, B, [a, b], layer(port, BACKEND_PORT))));
        expect(reply(port)).toBe(answered(OTHER_VIP[family]));
        expect(bytes(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data)).toBe(bytes(delivered(family, B, [a, b], layer(4000, BACKEND_PORT))));
        expect(reply(4000)).toBe(answered(vip));
      };
      goesOn();
      // decided anew, and made again from one another
      sandbox.setPolicy(A, OPEN);
      goesOn();
      for (const lost of ['request', 'reply']) {
        wait();
        sandbox.dropFlows((flow) => flow.service?.side === lost);
        if (lost === 'request') for (const each of [port, 4000]) reply(each);
        goesOn();
        expect(sides()).toEqual(['reply', 'reply', 'request', 'request']);
      }
      // both are gone: the client's packet finds the same port
      sandbox.dropFlows((flow) => flow.service?.otherPort !== undefined);
      goesOn();
    });

    test('under another port: errors and fragments', () => {
      both(protocol);
      sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      const sent = fromPod(A, family, OTHER_VIP[family], layer(4000, PORT), payload('what was sent'));
      const arrived = sandbox.from(A, sent).data;
      const port = portOf(arrived);
      const error = sandbox.from(B, fromPod(B, family, a, unreachable(family), quoted(arrived)));
      const routed = frame(family, [a, OTHER_VIP[family]], [layer(4000, PORT), payload('what was sent')], { ip: { ttl: 63, hopLimit: 63 } });
      expect(bytes(error.data)).toBe(bytes(delivered(family, A, [OTHER_VIP[family], a], unreachable(family), quoted(routed))));
      const reply = sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, port), payload('reply'))).data;
      const about = sandbox.from(A, fromPod(A, family, OTHER_VIP[family], unreachable(family), quoted(reply)));
      const untranslated = frame(family, [b, a], [layer(BACKEND_PORT, port), payload('reply')], { ip: { ttl: 63, hopLimit: 63 } });
      expect(bytes(about.data)).toBe(bytes(delivered(family, B, [a, b], unreachable(family), quoted(untranslated))));
      const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
      const wanted = cut(delivered(family, B, [a, b], layer(port, BACKEND_PORT), payload(2000)), 800, 79);
      cut(fromPod(A, family, OTHER_VIP[family], layer(4000, PORT), payload(2000)), 800, 79).forEach((each, index) => expect(bytes(sandbox.from(A, each).data)).toBe(bytes(wanted[index]!)));
    });

    test('under another port, by way of the stack, and to itself', () => {
      both(protocol);
      const last = { ip: { ttl: 1, hopLimit: 1 } };
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      const there = sandbox.from(A, frame(family, [a, OTHER_VIP[family]], [first(4000, PORT)], last));
      const port = portOf(there.data);
      expect({ verdict: there.verdict, data: bytes(there.data) }).toEqual({ verdict: 'pass', data: bytes(frame(family, [a, b], [first(port, BACKEND_PORT)], last)) });
      expect(sandbox.to(B, toPod(B, family, a, first(port, BACKEND_PORT)), device(A)).verdict).toBe('pass');
      sandbox.from(B, frame(family, [b, a], [answer(BACKEND_PORT, port)], { mac: B.mac, gateway: B.hostMac, ...last }));
      const reply = sandbox.to(A, toPod(A, family, b, answer(BACKEND_PORT, port)), device(B));
      expect({ verdict: reply.verdict, data: bytes(reply.data) }).toEqual({ verdict: 'pass', data: bytes(toPod(A, family, OTHER_VIP[family], answer(PORT, 4000))) });
      sandbox.clearFlows();
      for (const id of [1, 2]) services.retarget(id, [services.addBackend(id, { address: a, port: BACKEND_PORT }, protocol)]);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      const own = parsePacket(sandbox.from(A, fromPod(A, family, OTHER_VIP[family], first(4000, PORT))).data);
      expect(own.ip).toMatchObject({ source: LOOPBACK[family], destination: a });
      const back = sandbox.from(A, fromPod(A, family, LOOPBACK[family], answer(BACKEND_PORT, own.transport!.sourcePort!)));
      expect(bytes(back.data)).toBe(bytes(toPod(A, family, OTHER_VIP[family], answer(PORT, 4000))));
    });
  });

  const send = (...flags: TcpFlag[]): Outcome => sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, ...flags)));
  const second = (...flags: TcpFlag[]): Outcome => sandbox.from(A, fromPod(A, family, OTHER_VIP[family], segment(4000, PORT, ...flags)));
  const here = (...flags: TcpFlag[]): Outcome => sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, ...flags)));

  test('one client port to two services with one backend: answered or not, the second goes under another port', () => {
    both(TCP);
    const answer = (port: number): Outcome => sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, port, 'syn', 'ack')));
    send('syn');
    const port = portOf(second('syn').data);
    expect(port).not.toBe(4000);
    expect(sandbox.flows().map((each) => each.state)).toEqual([['unanswered'], ['unanswered']]);
    expect(portOf(second('syn').data)).toBe(port);
    // once the first was refused its port is free: of the two that the second has asked by now, the first to answer is it
    here('rst', 'ack');
    expect(portOf(second('syn').data)).toBe(4000);
    expect(bytes(answer(port).data)).toBe(bytes(delivered(family, A, [OTHER_VIP[family], a], segment(PORT, 4000, 'syn', 'ack'))));
    expect(answer(4000)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NAT_NO_MAPPING });
    expect(portOf(second('ack').data)).toBe(port);
    expect(sandbox.flows().find((each) => each.service?.side === 'request')?.service?.otherPort).toBe(port);
  });

  test('a SYN on a port used again, over a flow that went under another port, is answered by whom it asked', () => {
    both(TCP);
    send('ack');
    const port = portOf(second('ack').data);
    send('rst');
    sandbox.age(3);
    expect(portOf(second('syn').data)).toBe(4000);
    expect(here('syn', 'ack').verdict).toBe('redirect');
    expect(portOf(second('ack').data)).toBe(4000);
    // what the old one still says does not end the new one
    sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, port, 'rst')));
    expect(sandbox.flows().filter((each) => each.service?.side === 'request' && each.destination.ip.text === OTHER_VIP[family]).map((each) => each.state)).toEqual([['confirmed']]);
  });
});
