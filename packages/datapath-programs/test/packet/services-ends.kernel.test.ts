import { DROP_REASON, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { parsePacket, sctp, udp, type Layer, type TcpFlag } from '@cilium-ts/testkit';
import { describe, expect, test } from 'vitest';
import { A, B, FAMILIES, fromPod, HOST, ip, REMOTE, segment, toPod } from './frames.ts';
import { Sandbox } from './sandbox.ts';
import { Services } from './services.ts';
import { VIP, OTHER_VIP, TCP, UDP, SCTP, PORT, BACKEND_PORT, PROTOCOLS, bytes, delivered, sandbox, services, sides, useServices } from './services-rig.ts';

useServices();

describe.each(FAMILIES)('the end of flows to services over IPv$family', ({ family }) => {
  const [a, b, vip] = [ip(A, family), ip(B, family), VIP[family]];
  const local = (protocol: number, extra: { readonly flags?: number; readonly affinityTimeout?: number } = {}): number[] =>
    services.add({ id: 1, address: vip, port: PORT, protocol, backends: [{ address: b, port: BACKEND_PORT }], ...extra });

  test('a SYN sent again goes where the first one was answered; after the end it may go elsewhere', () => {
    local(TCP);
    const syn = fromPod(A, family, vip, segment(4000, PORT, 'syn'));
    sandbox.from(A, syn);
    sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, 'syn', 'ack')));
    expect(sides()).toEqual(['reply', 'request']);
    const again = sandbox.from(A, syn);
    expect({ data: bytes(again.data), events: again.events }).toEqual({ data: bytes(delivered(family, B, [a, b], segment(4000, BACKEND_PORT, 'syn'))), events: [] });
    sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'rst')));
    expect(sandbox.flows().map((flow) => flow.state)).toEqual([['reset', 'confirmed'], ['reset', 'confirmed']]);
    services.retarget(1, [services.addBackend(1, { address: REMOTE[family], port: 9090 }, TCP)]);
    expect(bytes(sandbox.from(A, syn).data)).toBe(bytes(fromPod(A, family, REMOTE[family], segment(4000, 9090, 'syn'))));
  });

  test('the end of a connection is the end of both entries', () => {
    local(TCP);
    sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'syn')));
    sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'fin', 'ack')));
    expect(sandbox.flows().map((flow) => flow.state)).toEqual([['fin-source', 'confirmed'], ['fin-source', 'confirmed']]);
    sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, 'fin', 'ack')));
    expect(sandbox.flows().map((flow) => flow.state)).toEqual([['fin-source', 'fin-destination', 'confirmed'], ['fin-source', 'fin-destination', 'confirmed']]);
  });

  test('a reset that anybody may have sent is taken back of both entries by whoever goes on, and by the one that is made again', () => {
    local(TCP);
    const send = (...flags: TcpFlag[]) => sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, ...flags)));
    const answer = (...flags: TcpFlag[]) => sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, ...flags)));
    send('syn');
    answer('syn', 'ack');
    for (const alive of [send, answer]) {
      for (const lost of [undefined, 'request', 'reply']) {
        send('ack');
        answer('rst');
        expect(sandbox.flows().map((flow) => flow.state)).toEqual([['reset', 'confirmed'], ['reset', 'confirmed']]);
        // (it would be expired; the entry of the one who goes on is not the lost one)
        if (lost !== undefined && (lost === 'request') === (alive === answer)) sandbox.dropFlows((flow) => flow.service?.side === lost);
        sandbox.age(30);
        expect(alive('ack', 'psh')).toMatchObject({ verdict: 'redirect', events: [] });
        expect(sandbox.flows().map((flow) => flow.state)).toEqual([['confirmed'], ['confirmed']]);
      }
    }
  });

  test('a direct connection on the ends of a live flow is refused, answered or not, and does not break it', () => {
    local(TCP);
    const direct = fromPod(A, family, b, segment(4000, BACKEND_PORT, 'syn'));
    sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'syn')));
    expect(sandbox.from(A, direct)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NAT_NO_MAPPING });
    sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, 'syn', 'ack')));
    expect(sandbox.from(A, direct)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NAT_NO_MAPPING });
    expect(sides()).toEqual(['reply', 'request']);
    sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'rst')));
    expect(sandbox.from(A, direct).verdict).toBe('redirect');
  });

  test('a service does not take the ends of a live direct connection', () => {
    sandbox.from(A, fromPod(A, family, b, segment(4000, BACKEND_PORT, 'syn')));
    local(TCP);
    const port = parsePacket(sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, 'syn'))).data).transport!.sourcePort!;
    expect(port).not.toBe(4000);
    const answer = (from: number) => sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, from, 'syn', 'ack')));
    expect(bytes(answer(4000).data)).toBe(bytes(delivered(family, A, [b, a], segment(BACKEND_PORT, 4000, 'syn', 'ack'))));
    expect(bytes(answer(port).data)).toBe(bytes(delivered(family, A, [vip, a], segment(PORT, 4000, 'syn', 'ack'))));
  });

  test('SCTP under another port there is none: another backend, or none', () => {
    for (const [id, address] of [[1, vip], [2, OTHER_VIP[family]]] as const) services.add({ id, address, port: PORT, protocol: SCTP, backends: [{ address: b, port: PORT }] });
    const send = (to: string) => sandbox.from(A, fromPod(A, family, to, sctp({ sourcePort: 4000, destinationPort: PORT, chunk: 'init' })));
    expect(send(vip).verdict).toBe('redirect');
    expect(send(OTHER_VIP[family])).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NAT_NO_MAPPING });
  });

  test.each(PROTOCOLS)('$name to a backend that has the service\'s own address and port is a flow like any other', ({ protocol, first, answer, layer }) => {
    const host = HOST[family];
    services.add({ id: 1, address: host, port: PORT, protocol, backends: [{ address: host, port: PORT }] });
    const there = fromPod(A, family, host, first(4000, PORT));
    expect(sandbox.from(A, there)).toMatchObject({ verdict: 'pass', data: there });
    for (const make of [answer, layer, layer]) {
      const back = toPod(A, family, host, make(PORT, 4000));
      expect(sandbox.to(A, back)).toMatchObject({ verdict: 'pass', data: back });
      expect(sandbox.from(A, fromPod(A, family, host, layer(4000, PORT))).verdict).toBe('pass');
    }
    expect(sides()).toEqual([undefined]);
    // and over it a new one, to another backend that the service has meanwhile
    services.retarget(1, [services.addBackend(1, { address: b, port: BACKEND_PORT }, protocol)]);
    if (protocol === UDP) sandbox.clearFlows(); // where nothing says that it is a new one
    sandbox.from(A, there);
    expect(sandbox.from(B, fromPod(B, family, a, answer(BACKEND_PORT, 4000))).verdict).toBe('redirect');
    expect(sides()).toEqual(['reply', 'request']);
  });

  test('UDP without checksum stays without', () => {
    if (family === 6) return void expect(family).toBe(6); // IPv6 has no such datagrams
    local(UDP);
    const none = (from: number, to: number): Layer => udp({ sourcePort: from, destinationPort: to, checksum: 0 });
    expect(bytes(sandbox.from(A, fromPod(A, 4, vip, none(4000, PORT))).data)).toBe(bytes(delivered(4, B, [a, b], none(4000, BACKEND_PORT))));
  });

  test('SCTP has its address translated, but not its port', () => {
    services.add({ id: 1, address: vip, port: PORT, protocol: SCTP, backends: [{ address: b, port: PORT }] });
    const chunk = (sourcePort: number, destinationPort: number): Layer => sctp({ sourcePort, destinationPort });
    expect(bytes(sandbox.from(A, fromPod(A, family, vip, chunk(4000, PORT))).data)).toBe(bytes(delivered(family, B, [a, b], chunk(4000, PORT))));
    const ack = sctp({ sourcePort: PORT, destinationPort: 4000, chunk: 'initAck' });
    expect(bytes(sandbox.from(B, fromPod(B, family, a, ack)).data)).toBe(bytes(delivered(family, A, [vip, a], ack)));
    services.add({ id: 2, address: vip, port: 81, protocol: SCTP, backends: [{ address: b, port: PORT }] });
    expect(sandbox.from(A, fromPod(A, family, vip, chunk(4000, 81)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.L4_CHECKSUM });
  });
});

test('a service without backends is silent where that is configured', async () => {
  using silent = await Sandbox.open({ service_reject: 0 });
  const written = new Services(silent);
  await silent.addPod(A);
  written.add({ id: 1, address: VIP[4], port: PORT, protocol: TCP, backends: [] });
  expect(silent.from(A, fromPod(A, 4, VIP[4], segment(4000, PORT, 'syn')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_SERVICE });
});

test.each(FAMILIES)('source ranges bind clients inside only where that is configured (IPv$family)', async ({ family }) => {
  using strict = await Sandbox.open({ source_range_all_types: 1 });
  const written = new Services(strict);
  await strict.addPod(A);
  await strict.addPod(B);
  const add = (id: number, port: number, flags: number): unknown =>
    written.add({ id, address: VIP[family], port, protocol: TCP, flags, backends: [{ address: ip(B, family), port: BACKEND_PORT }] });
  add(1, 80, SERVICE_FLAG.SOURCE_RANGE);
  add(2, 81, SERVICE_FLAG.SOURCE_RANGE | SERVICE_FLAG.SOURCE_DENY);
  expect(strict.from(A, fromPod(A, family, VIP[family], segment(4000, 80, 'syn')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NOT_IN_SRC_RANGE });
  expect(strict.from(A, fromPod(A, family, VIP[family], segment(4001, 81, 'syn'))).verdict).toBe('redirect');
  for (const id of [1, 2]) written.addSourceRange(id, `${ip(A, family)}/${family === 4 ? 24 : 64}`);
  expect(strict.from(A, fromPod(A, family, VIP[family], segment(4000, 80, 'syn'))).verdict).toBe('redirect');
  expect(strict.from(A, fromPod(A, family, VIP[family], segment(4002, 81, 'syn')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NOT_IN_SRC_RANGE });
});
