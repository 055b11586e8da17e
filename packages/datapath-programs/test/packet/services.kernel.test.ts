import { BACKEND_STATE, DROP_REASON, SERVICE_FLAG, type FlowEntry } from '@cilium-ts/datapath-layout';
import { fragmentIpv4, fragmentIpv6, payload } from '@cilium-ts/testkit';
import { describe, expect, test } from 'vitest';
import { A, B, echo, FAMILIES, frame, fromPod, HOST, ip, quoted, REMOTE, toPod, unreachable, WORLD } from './frames.ts';
import { ALLOW, DENY, device, OPEN, UPLINK, type Policy, type Row } from './sandbox.ts';
import { VIP, LOOPBACK, TCP, PORT, BACKEND_PORT, PROTOCOLS, bytes, delivered, sandbox, services, sides, useServices, wait } from './services-rig.ts';

useServices();

describe.each(FAMILIES)('services over IPv$family', ({ family }) => {
  const [a, b, vip] = [ip(A, family), ip(B, family), VIP[family]];
  const local = (protocol: number, extra: { readonly flags?: number; readonly affinityTimeout?: number } = {}): number[] =>
    services.add({ id: 1, address: vip, port: PORT, protocol, backends: [{ address: b, port: BACKEND_PORT }], ...extra });
  const remote = (protocol: number): number[] => services.add({ id: 1, address: vip, port: PORT, protocol, backends: [{ address: REMOTE[family], port: BACKEND_PORT }] });

  describe.each(PROTOCOLS)('$name', ({ protocol, layer, first, answer }) => {
    /** B's first answer to A. */
    const answered = (to = 4000): void => void sandbox.from(B, fromPod(B, family, a, answer(BACKEND_PORT, to)));

    test('to a local backend and back, with right checksums; two entries', () => {
      local(protocol);
      for (const make of [first, layer, layer]) {
        const there = sandbox.from(A, fromPod(A, family, vip, make(4000, PORT), payload('question')));
        expect({ verdict: there.verdict, data: bytes(there.data) }).toEqual({ verdict: 'redirect', data: bytes(delivered(family, B, [a, b], make(4000, BACKEND_PORT), payload('question'))) });
        const back = sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000), payload('an answer')));
        expect({ verdict: back.verdict, data: bytes(back.data) }).toEqual({ verdict: 'redirect', data: bytes(delivered(family, A, [vip, a], layer(PORT, 4000), payload('an answer'))) });
      }
      expect(sides()).toEqual(['reply', 'request']);
      expect(sandbox.flows().map((flow) => flow.source.ip.text)).toEqual([a, a]);
      expect(sandbox.flows().map((flow) => flow.destination.identity)).toEqual([B.identity, B.identity]);
    });

    test('to a remote backend by the stack, and back out of it', () => {
      remote(protocol);
      for (const make of [first, layer]) {
        const there = sandbox.from(A, fromPod(A, family, vip, make(4000, PORT)));
        expect({ verdict: there.verdict, data: bytes(there.data) }).toEqual({ verdict: 'pass', data: bytes(fromPod(A, family, REMOTE[family], make(4000, BACKEND_PORT))) });
        const back = sandbox.to(A, toPod(A, family, REMOTE[family], layer(BACKEND_PORT, 4000)), UPLINK);
        expect({ verdict: back.verdict, data: bytes(back.data) }).toEqual({ verdict: 'pass', data: bytes(toPod(A, family, vip, layer(PORT, 4000))) });
      }
      expect(sides()).toEqual(['reply', 'request']);
    });

    test('the event of the first packet is about the backend', () => {
      local(protocol);
      expect(sandbox.from(A, fromPod(A, family, vip, first(4000, PORT))).events).toMatchObject([
        { kind: 'verdict', tracePoint: 'to-endpoint', destination: { identity: B.identity, port: BACKEND_PORT, endpoint: 102 } },
      ]);
      answered();
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).events).toEqual([]);
    });

    test('policy is that on the backend and its port, of both ends, and a change cuts both directions', () => {
      const row: Row = [[0, 'default'], [protocol * 65536 + BACKEND_PORT, 'allow'], [protocol * 65536 + BACKEND_PORT + 1, 'default']];
      const client: Policy = { ingress: { any: DENY }, egress: { any: DENY, by: new Map([[B.identity, row]]) } };
      const server: Policy = { ingress: { any: DENY, by: new Map([[A.identity, row]]) }, egress: { any: DENY } };
      sandbox.setPolicy(A, client);
      sandbox.setPolicy(B, server);
      local(protocol);
      expect(sandbox.from(A, fromPod(A, family, vip, first(4000, PORT))).verdict).toBe('redirect');
      expect(sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000))).verdict).toBe('redirect');
      for (const [pod, denied] of [[A, { ...client, egress: { any: DENY } }], [B, { ...server, ingress: { any: DENY } }]] as const) {
        sandbox.setPolicy(pod, denied);
        const out = sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
        expect(out).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY, events: [{ direction: pod === A ? 'egress' : 'ingress', destination: { port: BACKEND_PORT } }] });
        expect(sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
        sandbox.setPolicy(A, client);
        sandbox.setPolicy(B, server);
        const back = sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)));
        expect(bytes(back.data)).toBe(bytes(delivered(family, A, [vip, a], layer(PORT, 4000))));
        expect(bytes(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data)).toBe(bytes(delivered(family, B, [a, b], layer(4000, BACKEND_PORT))));
      }
    });

    test('policy on the service\'s own address says nothing', () => {
      sandbox.addRemote(`${vip}/${family === 4 ? 31 : 127}`, 5005);
      sandbox.setPolicy(A, { ingress: { any: ALLOW }, egress: { any: ALLOW, by: new Map([[5005, DENY]]) } });
      local(protocol);
      expect(sandbox.from(A, fromPod(A, family, vip, first(4000, PORT))).verdict).toBe('redirect');
    });

    test('without backends: dropped with its reason, and answered', () => {
      services.add({ id: 1, address: vip, port: PORT, protocol, backends: [] });
      const sent = fromPod(A, family, vip, first(4000, PORT), payload(12));
      const answer = sandbox.from(A, sent);
      expect(answer).toMatchObject({ verdict: 'redirect', reason: DROP_REASON.NO_SERVICE });
      expect(bytes(answer.data)).toBe(bytes(toPod(A, family, vip, unreachable(family), quoted(sent))));
      expect(sandbox.flows()).toEqual([]);
    });

    test('a backend that ends is replaced, for running flows too', () => {
      const [old] = local(protocol);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      answered();
      services.retarget(1, [services.addBackend(1, { address: REMOTE[family], port: 9090 }, protocol)]);
      // draining: it still has its flow, new ones go elsewhere
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).verdict).toBe('redirect');
      expect(bytes(sandbox.from(A, fromPod(A, family, vip, first(4001, PORT))).data)).toBe(bytes(fromPod(A, family, REMOTE[family], first(4001, 9090))));
      services.endBackend(old!);
      expect(bytes(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data)).toBe(bytes(fromPod(A, family, REMOTE[family], layer(4000, 9090))));
      // what the old one still has to say is heard
      expect(bytes(sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000))).data)).toBe(bytes(delivered(family, A, [vip, a], layer(PORT, 4000))));
      services.retarget(1, []);
      expect(sandbox.from(A, fromPod(A, family, vip, first(4002, PORT))).reason).toBe(DROP_REASON.NO_SERVICE);
    });

    test('a service that is gone leaves an address like any other; a flow keeps its backend while that lives', () => {
      const [index] = local(protocol);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      answered();
      services.removeFrontend(vip, PORT, protocol);
      sandbox.setPolicy(B, OPEN);
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).verdict).toBe('redirect');
      services.endBackend(index!);
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)))).toMatchObject({ verdict: 'pass' });
      expect(sandbox.flows().filter((flow) => flow.service?.side === 'request')).toEqual([]);
    });

    test('a flow to an address that becomes a service\'s is decided anew when its bucket counts', () => {
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).verdict).toBe('pass');
      local(protocol);
      sandbox.bumpAddress(vip);
      expect(bytes(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data)).toBe(bytes(delivered(family, B, [a, b], layer(4000, BACKEND_PORT))));
      expect(sides()).toEqual(['reply', 'request']);
    });

    test.each(['request', 'reply'] as const)('the %s\'s entry is made again by the other', (lost) => {
      local(protocol);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)));
      const before = sandbox.flows().map((flow) => ({ ...flow, lastSeenJiffies: 0 }));
      sandbox.dropFlows((flow) => flow.service?.side === lost);
      expect(sides()).toEqual([lost === 'request' ? 'reply' : 'request']);
      wait();
      if (lost === 'request') {
        services.retarget(1, [services.addBackend(1, { address: REMOTE[family], port: 9090 }, protocol)]);
        sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)));
      } else sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      const order = (flows: readonly object[]): string[] => flows.map((flow) => JSON.stringify(flow, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))).sort();
      const again = sandbox.flows().map((flow) => ({ ...flow, lastSeenJiffies: 0 }));
      const settle = (flows: readonly FlowEntry[]): object[] => flows.map((flow) => ({ ...flow, state: [] }));
      expect(order(settle(again))).toEqual(order(settle(before)));
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).verdict).toBe('redirect');
      expect(bytes(sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000))).data)).toBe(bytes(delivered(family, A, [vip, a], layer(PORT, 4000))));
    });

    test.each(['request', 'reply'] as const)('packets of the %s alone keep both entries', (which) => {
      local(protocol);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)));
      sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      wait();
      const seen = sandbox.flows().map((flow) => flow.lastSeenJiffies);
      if (which === 'request') sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      else sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000)));
      const now = sandbox.flows().map((flow) => flow.lastSeenJiffies);
      expect(now.every((each) => each > Math.max(...seen))).toBe(true);
    });

    test('affinity: the same backend whatever port it comes from, until the time is over', () => {
      const indexes = services.add({ id: 1, address: vip, port: PORT, protocol, affinityTimeout: 100, backends: [{ address: b, port: 1 }, { address: b, port: 2 }, { address: b, port: 3 }, { address: b, port: 4 }] });
      const chosen = (from: number): number => {
        sandbox.from(A, fromPod(A, family, vip, first(from, PORT)));
        return sandbox.flows().find((flow) => flow.service !== undefined && flow.source.port === from)?.service?.backend ?? -1;
      };
      const mine = chosen(4000);
      for (let port = 4001; port < 4020; port++) expect(chosen(port)).toBe(mine);
      // it holds on to the client when the run no longer leads there
      services.retarget(1, indexes.filter((index) => index !== mine));
      expect(chosen(4100)).toBe(mine);
      // but not to one that is about to end: what runs there may end in peace, and that is all
      services.setState(mine, BACKEND_STATE.TERMINATING);
      const next = chosen(4200);
      expect(next).not.toBe(mine);
      expect(chosen(4201)).toBe(next);
      services.endBackend(next);
      services.retarget(1, indexes.filter((index) => index !== mine && index !== next));
      const last = chosen(4202);
      expect([mine, next]).not.toContain(last);
      const map = sandbox.map('cilium_affinities');
      for (const [key, value] of map.entries()) {
        new DataView(value.buffer, value.byteOffset).setUint32(8, new DataView(value.buffer, value.byteOffset).getUint32(8, true) - 400, true);
        map.update(key, value);
      }
      services.retarget(1, indexes.filter((index) => ![mine, next, last].includes(index)));
      expect([mine, next, last]).not.toContain(chosen(4300));
    });

    test('two scopes: a client inside has the internal one', () => {
      services.add({ id: 1, address: vip, port: PORT, protocol, flags: SERVICE_FLAG.TWO_SCOPES, backends: [{ address: REMOTE[family], port: 1 }] });
      services.add({ id: 2, address: vip, port: PORT, protocol, scope: 1, flags: SERVICE_FLAG.TWO_SCOPES, backends: [{ address: b, port: BACKEND_PORT }] });
      expect(bytes(sandbox.from(A, fromPod(A, family, vip, first(4000, PORT))).data)).toBe(bytes(delivered(family, B, [a, b], first(4000, BACKEND_PORT))));
    });

    test('a port of every address of the node is one of its own addresses only', () => {
      services.add({ id: 1, address: family === 4 ? '0.0.0.0' : '::', port: 30080, protocol, flags: SERVICE_FLAG.NODE_PORT, backends: [{ address: b, port: BACKEND_PORT }] });
      services.possible(HOST[family]);
      services.possible(WORLD[family]);
      expect(bytes(sandbox.from(A, fromPod(A, family, HOST[family], first(4000, 30080))).data)).toBe(bytes(delivered(family, B, [a, b], first(4000, BACKEND_PORT))));
      expect(bytes(sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000))).data)).toBe(bytes(delivered(family, A, [HOST[family], a], layer(30080, 4000))));
      expect(sandbox.from(A, fromPod(A, family, WORLD[family], first(4000, 30080))).verdict).toBe('pass');
      expect(sandbox.from(A, fromPod(A, family, HOST[family], first(4000, 30081))).verdict).toBe('pass');
    });

    test('other ports and protocols of the address are nobody\'s', () => {
      local(protocol);
      expect(sandbox.from(A, fromPod(A, family, vip, first(4000, 81)))).toMatchObject({ verdict: 'pass' });
      expect(sandbox.from(A, fromPod(A, family, vip, echo(family, 'request', 1)))).toMatchObject({ verdict: 'pass' });
      expect(sides()).toEqual([undefined, undefined]);
    });

    test('an endpoint that is its own backend sees itself as the loopback address, whatever policy says', () => {
      sandbox.setPolicy(A, { ingress: { any: DENY }, egress: { any: DENY } });
      services.add({ id: 1, address: vip, port: PORT, protocol, backends: [{ address: a, port: BACKEND_PORT }] });
      for (const make of [first, layer]) {
        const there = sandbox.from(A, fromPod(A, family, vip, make(4000, PORT)));
        expect({ verdict: there.verdict, data: bytes(there.data) }).toEqual({ verdict: 'redirect', data: bytes(toPod(A, family, LOOPBACK[family], make(4000, BACKEND_PORT))) });
        const back = sandbox.from(A, fromPod(A, family, LOOPBACK[family], layer(BACKEND_PORT, 4000)));
        expect({ verdict: back.verdict, data: bytes(back.data) }).toEqual({ verdict: 'redirect', data: bytes(toPod(A, family, vip, layer(PORT, 4000))) });
      }
      expect(sides()).toEqual(['reply', 'request']);
      wait();
      sandbox.dropFlows((flow) => flow.service?.side === 'request');
      expect(sandbox.from(A, fromPod(A, family, LOOPBACK[family], layer(BACKEND_PORT, 4000))).verdict).toBe('redirect');
      expect(sides()).toEqual(['reply', 'request']);
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).verdict).toBe('redirect');
      // nobody else is it
      expect(sandbox.to(A, toPod(A, family, LOOPBACK[family], layer(4000, BACKEND_PORT)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
      sandbox.setPolicy(A, { ...OPEN, flags: 8 });
      expect(sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_POLICY });
    });

    test('in fragments', () => {
      local(protocol);
      const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
      const forth = cut(fromPod(A, family, vip, first(4000, PORT), payload(2000)), 800, 77);
      const wanted = cut(frame(family, [a, b], [first(4000, BACKEND_PORT), payload(2000)], { mac: B.hostMac, gateway: B.mac, ip: { ttl: 63, hopLimit: 63 } }), 800, 77);
      forth.forEach((each, index) => expect(bytes(sandbox.from(A, each).data)).toBe(bytes(wanted[index]!)));
      const back = cut(fromPod(B, family, a, layer(BACKEND_PORT, 4000), payload(2000)), 800, 78);
      const answered = cut(frame(family, [vip, a], [layer(PORT, 4000), payload(2000)], { mac: A.hostMac, gateway: A.mac, ip: { ttl: 63, hopLimit: 63 } }), 800, 78);
      back.forEach((each, index) => expect(bytes(sandbox.from(B, each).data)).toBe(bytes(answered[index]!)));
      expect(sides()).toEqual(['reply', 'request']);
    });

    test('ICMP errors of a local backend are the service\'s, and quote what the client sent', () => {
      local(protocol);
      const sent = fromPod(A, family, vip, layer(4000, PORT), payload('what was sent'));
      const arrived = sandbox.from(A, sent).data;
      const error = sandbox.from(B, fromPod(B, family, a, unreachable(family), quoted(arrived)));
      expect(error.verdict).toBe('redirect');
      const routed = frame(family, [a, vip], [layer(4000, PORT), payload('what was sent')], { ip: { ttl: 63, hopLimit: 63 } });
      expect(bytes(error.data)).toBe(bytes(delivered(family, A, [vip, a], unreachable(family), quoted(routed))));
    });

    test('ICMP errors of routers on the way to a remote backend keep their sender', () => {
      remote(protocol);
      const arrived = sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data;
      const answer = (from: string, to: Uint8Array): Uint8Array => toPod(A, family, from, unreachable(family), quoted(to));
      const original = frame(family, [a, vip], [layer(4000, PORT)]);
      for (const [router, seen, by] of [[WORLD[family], WORLD[family], UPLINK], [HOST[family], HOST[family], 0], [REMOTE[family], vip, UPLINK]] as const) {
        const error = sandbox.to(A, answer(router, arrived), by);
        expect({ verdict: error.verdict, data: bytes(error.data) }).toEqual({ verdict: 'pass', data: bytes(answer(seen, original)) });
      }
      // eight bytes of the transport header are enough
      const short = (original.length - 14 - (family === 4 ? 20 : 40)) - 8;
      const cut = (data: Uint8Array): Uint8Array => data.slice(0, data.length - short);
      const error = sandbox.to(A, answer(WORLD[family], cut(arrived)), UPLINK);
      expect(bytes(error.data)).toBe(bytes(answer(WORLD[family], cut(original))));
    });

    test('ICMP errors of the client about a reply go to the backend', () => {
      local(protocol);
      sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      const reply = sandbox.from(B, fromPod(B, family, a, layer(BACKEND_PORT, 4000), payload('reply'))).data;
      const error = sandbox.from(A, fromPod(A, family, vip, unreachable(family), quoted(reply)));
      const untranslated = frame(family, [b, a], [layer(BACKEND_PORT, 4000), payload('reply')], { ip: { ttl: 63, hopLimit: 63 } });
      expect({ verdict: error.verdict, data: bytes(error.data) }).toEqual({ verdict: 'redirect', data: bytes(delivered(family, B, [a, b], unreachable(family), quoted(untranslated))) });
      sandbox.clearFlows();
      expect(sandbox.from(A, fromPod(A, family, vip, unreachable(family), quoted(reply)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.UNKNOWN_FLOW });
    });

    test('ICMP errors of an endpoint to itself', () => {
      services.add({ id: 1, address: vip, port: PORT, protocol, backends: [{ address: a, port: BACKEND_PORT }] });
      const arrived = sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT))).data;
      const error = sandbox.from(A, fromPod(A, family, LOOPBACK[family], unreachable(family), quoted(arrived)));
      expect(bytes(error.data)).toBe(bytes(toPod(A, family, vip, unreachable(family), quoted(frame(family, [a, vip], [layer(4000, PORT)])))));
    });

    test('what goes by the stack is translated where it goes in, replies where they come out', () => {
      local(protocol);
      const last = { ip: { ttl: 1, hopLimit: 1 } };
      const there = sandbox.from(A, frame(family, [a, vip], [first(4000, PORT)], last));
      expect({ verdict: there.verdict, data: bytes(there.data) }).toEqual({ verdict: 'pass', data: bytes(frame(family, [a, b], [first(4000, BACKEND_PORT)], last)) });
      // as if it had been routed after all
      expect(sandbox.to(B, toPod(B, family, a, first(4000, BACKEND_PORT)), device(A)).verdict).toBe('pass');
      const back = fromPod(B, family, a, layer(BACKEND_PORT, 4000));
      const out = sandbox.from(B, protocol === TCP ? back : frame(family, [b, a], [layer(BACKEND_PORT, 4000)], { mac: B.mac, gateway: B.hostMac, ...last }));
      expect(out.verdict).toBe('pass');
      const reply = sandbox.to(A, toPod(A, family, b, layer(BACKEND_PORT, 4000)), device(B));
      expect({ verdict: reply.verdict, data: bytes(reply.data) }).toEqual({ verdict: 'pass', data: bytes(toPod(A, family, vip, layer(PORT, 4000))) });
      expect(sides()).toEqual(['reply', 'request']);
    });

    test('nobody outside speaks for the service, or for the backend of another device', () => {
      const [index] = remote(protocol);
      sandbox.from(A, fromPod(A, family, vip, first(4000, PORT)));
      sandbox.to(A, toPod(A, family, REMOTE[family], answer(BACKEND_PORT, 4000)), UPLINK);
      expect(sandbox.to(A, toPod(A, family, vip, layer(PORT, 4000)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.UNKNOWN_FLOW });
      services.endBackend(index!);
      services.retarget(1, [services.addBackend(1, { address: b, port: BACKEND_PORT }, protocol)]);
      sandbox.from(A, fromPod(A, family, vip, layer(4000, PORT)));
      expect(sandbox.to(A, toPod(A, family, vip, layer(PORT, 4000)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
      expect(sandbox.to(A, toPod(A, family, b, layer(BACKEND_PORT, 4000)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
      expect(sides()).toEqual(['reply', 'reply', 'request']);
    });
  });
});
