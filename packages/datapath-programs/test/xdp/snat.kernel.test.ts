import { NAT_FLAG, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { fragmentIpv4, icmp, parsePacket, sctp, tcp, udp, vlan, ethernet, ipv4, packet, payload, ipv6, fragment, type Layer } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAC, NODE, OTHER_NODE, u32 } from './sandbox.ts';
import { ANYWHERE, CLIENT, datagram, FAMILIES, FAR, filled, frame, ONE, openScene, segment, summary, TWO, UDP, VIP, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  // no connection may time out while thousands are opened, however slow the machine
  scene = await openScene({ nat_seed: 7, timeout_tcp_syn: 3600 });
});
beforeEach(() => scene.reset());
afterAll(() => scene[Symbol.dispose]());

const BACK = [MAC.node, MAC.client];

describe.each(FAMILIES)('a service over IPv$family', ({ family }) => {
  const answer = (port: number, layers: (ports: { sourcePort: number; destinationPort: number }) => Layer, from: string = ONE[family], own: string = NODE[family]): Uint8Array =>
    frame(family, [from, own], [layers({ sourcePort: 8080, destinationPort: port })]);

  it('is reached by way of this node, and answers by it', () => {
    scene.add(family);
    const there = scene.sandbox.run(segment(family));
    const port = parsePacket(there.data).transport!.sourcePort!;
    expect([there.verdict, summary(there.data)]).toEqual(['tx', { macs: [MAC.node, MAC.one], source: [NODE[family], port], destination: [ONE[family], 8080], hops: 63, valid: true }]);
    expect(port).toBeGreaterThanOrEqual(61_000);
    const back = scene.sandbox.run(answer(port, (ports) => tcp({ ...ports, flags: ['syn', 'ack'] })));
    expect([back.verdict, summary(back.data)]).toEqual(['tx', { macs: BACK, source: [VIP[family], 80], destination: [CLIENT[family], 40_000], hops: 63, valid: true }]);
    const again = scene.sandbox.run(segment(family, ['ack'], { size: 333 }));
    expect(again.verdict).toBe('tx');
    expect(summary(again.data)).toEqual(summary(there.data));
    expect(again.data.slice(-333)).toEqual(filled(333));
    expect(scene.sandbox.nat()).toHaveLength(2);
  });

  it.each([{ what: 'with', checksum: undefined }, { what: 'without', checksum: 0 }])('UDP $what checksum', ({ checksum }) => {
    if (family === 6 && checksum === 0) {
      // over IPv6 there is none: it is passed on as it is
      scene.add(family, { protocol: UDP });
      expect(parsePacket(scene.sandbox.run(datagram(family, { checksum })).data).ip!.destination).toBe(ONE[family]);
      return;
    }
    scene.add(family, { protocol: UDP });
    const there = scene.sandbox.run(datagram(family, checksum === undefined ? {} : { checksum }));
    const port = parsePacket(there.data).transport!.sourcePort!;
    expect([there.verdict, summary(there.data)]).toEqual(['tx', { macs: [MAC.node, MAC.one], source: [NODE[family], port], destination: [ONE[family], 8080], hops: 63, valid: true }]);
    const back = scene.sandbox.run(answer(port, udp));
    expect([back.verdict, summary(back.data)]).toEqual(['tx', { macs: BACK, source: [VIP[family], 80], destination: [CLIENT[family], 40_000], hops: 63, valid: true }]);
  });

  it('is not for who claims to be the node, or one of its endpoints', () => {
    scene.add(family);
    const endpoint = family === 4 ? '10.244.0.5' : 'fd00:0:0:9::5';
    scene.sandbox.addEndpoint(endpoint);
    for (const source of [NODE[family], OTHER_NODE[family], endpoint]) {
      expect(scene.sandbox.run(frame(family, [source, VIP[family]], [tcp({ sourcePort: 1024, destinationPort: 80, flags: ['syn'] })])).verdict).toBe('pass');
    }
    expect(scene.sandbox.nat()).toEqual([]);
  });

  it('is reached by a port of every address of the node', () => {
    scene.add(family, { address: ANYWHERE[family], port: 30_080, flags: SERVICE_FLAG.NODE_PORT | SERVICE_FLAG.ROUTABLE });
    scene.services.possible(NODE[family]);
    scene.services.possible(VIP[family]);
    const to = (address: string): string => scene.sandbox.run(frame(family, [CLIENT[family], address], [tcp({ sourcePort: 1024, destinationPort: 30_080 })])).verdict;
    expect([to(NODE[family]), to(OTHER_NODE[family]), to(VIP[family])]).toEqual(['tx', 'pass', 'pass']);
  });

  it('sends to backends beyond another device of the node, with its address there', () => {
    scene.add(family, { backends: [{ address: FAR[family], port: 8080 }] });
    const there = scene.sandbox.run(segment(family));
    expect([there.verdict, summary(there.data)]).toMatchObject(['redirect', { macs: [MAC.other, MAC.far], source: [OTHER_NODE[family], expect.any(Number)], destination: [FAR[family], 8080], valid: true }]);
  });

  it('does not send to devices that have no part in it', () => {
    scene.sandbox.map('cilium_xdp_devices').delete(u32(20_002));
    scene.add(family, { backends: [{ address: FAR[family], port: 8080 }] });
    const before = segment(family);
    expect(scene.sandbox.run(before)).toEqual({ verdict: 'pass', data: before });
  });

  it('spreads connections, and keeps each where it is while its backend lives', () => {
    const [one, two] = scene.add(family, { backends: [{ address: ONE[family], port: 8080 }, { address: TWO[family], port: 8080 }] });
    const where = (port: number, ...flags: Parameters<typeof segment>[1] & string[]): string => parsePacket(scene.sandbox.run(segment(family, flags as never, { sourcePort: port })).data).ip!.destination;
    const ports = Array.from({ length: 64 }, (_, i) => 40_000 + i);
    const first = ports.map((port) => where(port, 'syn'));
    expect([...new Set(first)].sort()).toEqual([ONE[family], TWO[family]]);
    scene.services.retarget(1, [two!]);
    expect(ports.map((port) => where(port, 'ack'))).toEqual(first);
    expect(where(50_000, 'syn')).toBe(TWO[family]);
    // what was at a backend that is gone is the stack's to decide
    scene.services.endBackend(one!);
    const verdicts = ports.map((port) => scene.sandbox.run(segment(family, ['ack'], { sourcePort: port })).verdict);
    expect(verdicts).toEqual(first.map((address) => (address === ONE[family] ? 'pass' : 'tx')));
  });

  it('remembers clients where it has affinity', () => {
    const [, two] = scene.add(family, { affinityTimeout: 100, flags: SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.LOAD_BALANCER, backends: [{ address: ONE[family], port: 8080 }, { address: TWO[family], port: 8080 }] });
    const where = (port: number): string => parsePacket(scene.sandbox.run(segment(family, ['syn'], { sourcePort: port })).data).ip!.destination;
    const first = where(40_000);
    expect(Array.from({ length: 32 }, (_, i) => where(41_000 + i)).every((each) => each === first)).toBe(true);
    scene.services.retarget(1, [first === ONE[family] ? two! : two! - 1]);
    expect(where(42_000)).toBe(first);
  });

  it('never gives two connections one port', () => {
    scene.add(family);
    const seen = new Map<number, number>();
    for (let port = 20_000; port < 22_000; port++) {
      const { verdict, data } = scene.sandbox.run(segment(family, ['syn'], { sourcePort: port }));
      if (verdict !== 'tx') continue;
      const given = parsePacket(data).transport!.sourcePort!;
      expect([port, seen.get(given)]).toEqual([port, undefined]);
      seen.set(given, port);
    }
    expect(seen.size).toBeGreaterThan(1990);
    for (const [given, port] of seen) {
      const back = parsePacket(scene.sandbox.run(answer(given, (ports) => tcp({ ...ports, flags: ['ack'] }))).data);
      if (back.transport!.destinationPort !== port) expect([given, back.transport!.destinationPort]).toEqual([given, port]);
    }
  });

  it('rewrites established connections of DSR by option, and leaves those packets to the stack that carry it', () => {
    scene.add(family);
    scene.sandbox.run(segment(family));
    const map = scene.sandbox.map('cilium_nat');
    for (const [key, value] of [...map.entries()]) {
      const view = new DataView(value.buffer, value.byteOffset);
      if ((view.getUint16(38, true) & NAT_FLAG.REPLY) !== 0) map.delete(key);
      else {
        // as bpf_netdev writes it: the client's own address and port
        value.set(key.subarray(0, 16), 0);
        value.set(key.subarray(32, 34), 32);
        view.setUint16(38, NAT_FLAG.SERVICE | NAT_FLAG.ALONE | NAT_FLAG.LEAVES | NAT_FLAG.DSR, true);
        map.update(key, value);
      }
    }
    expect(scene.sandbox.run(segment(family)).verdict).toBe('pass');
    const { verdict, data } = scene.sandbox.run(segment(family, ['ack']));
    expect([verdict, summary(data)]).toEqual(['tx', { macs: [MAC.node, MAC.one], source: [CLIENT[family], 40_000], destination: [ONE[family], 8080], hops: 63, valid: true }]);
  });

  it('leaves a connection that opens where another one ended to the stack', () => {
    scene.add(family);
    expect(scene.sandbox.run(segment(family)).verdict).toBe('tx');
    expect(scene.sandbox.run(segment(family, ['rst'])).verdict).toBe('tx');
    expect(scene.sandbox.run(segment(family)).verdict).toBe('pass');
  });

  it('takes nobody for an answer who opens a connection', () => {
    scene.add(family);
    const port = parsePacket(scene.sandbox.run(segment(family)).data).transport!.sourcePort!;
    const verdict = (...flags: ('syn' | 'ack')[]): string => scene.sandbox.run(answer(port, (ports) => tcp({ ...ports, flags }))).verdict;
    expect([verdict('syn'), verdict('syn', 'ack'), verdict('ack')]).toEqual(['pass', 'tx', 'tx']);
  });

  it('leaves frames for other stations alone', () => {
    scene.add(family);
    const to = (mac: string): string => scene.sandbox.run(Uint8Array.from([...Buffer.from(mac.replaceAll(':', ''), 'hex'), ...segment(family).slice(6)])).verdict;
    expect([to('ff:ff:ff:ff:ff:ff'), to('01:00:5e:00:00:01'), to(MAC.gateway)]).toEqual(['pass', 'pass', 'pass']);
    expect(scene.sandbox.nat()).toEqual([]);
    expect([to(MAC.node), to(MAC.gateway)]).toEqual(['tx', 'pass']);
  });

  it('what leads nowhere is passed on as it came', () => {
    scene.add(family, { backends: [] });
    scene.add(family, { port: 81, backends: [{ address: family === 4 ? '203.0.113.1' : 'fd00:0:0:9::1', port: 80 }] });
    scene.add(family, { port: 82, backends: [{ address: family === 4 ? '192.168.0.77' : 'fd00:0:0:1::77', port: 80 }] });
    scene.add(family, { port: 83, flags: 0 });
    scene.add(family, { port: 84, flags: SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.SOURCE_RANGE });
    scene.add(family, { port: 85, flags: SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.DSR });
    scene.add(family, { port: 86, backends: [{ address: '10.244.0.5', port: 80 }] });
    scene.sandbox.addEndpoint('10.244.0.5');
    scene.add(family, { port: 87, backends: [{ address: OTHER_NODE[family], port: 80 }] });
    scene.add(family, { port: 88, backends: [{ address: VIP[family === 4 ? 6 : 4], port: 80 }] });
    scene.add(family, { port: 89, flags: SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.LOCAL_REDIRECT });
    for (const destinationPort of [80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90]) {
      const before = frame(family, [CLIENT[family], VIP[family]], [tcp({ sourcePort: 1, destinationPort })]);
      expect([destinationPort, scene.sandbox.run(before)]).toEqual([destinationPort, { verdict: 'pass', data: before }]);
    }
    expect(scene.sandbox.nat()).toEqual([]);
  });

  it('source ranges let in whom they name', () => {
    scene.add(family, { flags: SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.SOURCE_RANGE });
    scene.services.addSourceRange(1, family === 4 ? '192.168.0.0/24' : 'fd00:0:0:1::/64');
    expect(scene.sandbox.run(segment(family)).verdict).toBe('tx');
  });

  it.each<{ what: string; make: () => Uint8Array }>([
    { what: 'the last hop', make: () => segment(family, ['syn'], { extra: family === 4 ? { ttl: 1 } : { hopLimit: 1 } }) },
    { what: 'SCTP', make: () => frame(family, [CLIENT[family], VIP[family]], [sctp({ sourcePort: 1, destinationPort: 80 })]) },
    { what: 'ICMP', make: () => frame(family, [CLIENT[family], VIP[family]], [family === 4 ? icmp({ type: 8, id: 1 }) : icmp({ type: 128, id: 1 })]) },
    { what: 'an answer to nobody', make: () => frame(family, [ONE[family], NODE[family]], [tcp({ sourcePort: 8080, destinationPort: 62_000, flags: ['ack'] })]) },
    { what: 'a segment of an unknown connection', make: () => segment(family, ['ack']) },
    { what: 'a reset', make: () => segment(family, ['rst']) },
    { what: 'a packet to nobody known', make: () => frame(family, [CLIENT[family], TWO[family]], [tcp({ sourcePort: 1, destinationPort: 80 })]) },
    { what: 'a header cut short', make: () => segment(family).slice(0, family === 4 ? 40 : 60) },
    { what: 'a longer packet than the way takes', make: () => segment(family, ['syn'], { size: 1600 }) },
    { what: 'options, or an extension header', make: () => (family === 4 ? segment(4, ['syn'], { extra: { options: Uint8Array.of(1, 1, 1, 0) } }) : frame(6, [CLIENT[6], VIP[6]], [fragment({ id: 1 }), tcp({ sourcePort: 1, destinationPort: 80 })])) },
    { what: 'a VLAN', make: () => packet(ethernet({ source: MAC.client, destination: MAC.node }), vlan({ id: 3 }), family === 4 ? ipv4({ source: CLIENT[4], destination: VIP[4] }) : ipv6({ source: CLIENT[6], destination: VIP[6] }), tcp({ sourcePort: 1, destinationPort: 80 })) },
  ])('$what is passed on as it came', ({ make }) => {
    scene.add(family);
    const before = make();
    expect(scene.sandbox.run(before)).toEqual({ verdict: 'pass', data: before });
  });
});

it('fragments are passed on as they came', () => {
  scene.add(4, { protocol: UDP });
  for (const each of fragmentIpv4(frame(4, [CLIENT[4], VIP[4]], [udp({ sourcePort: 1, destinationPort: 80 }), payload(filled(2000))]), 1000, 5)) {
    expect(scene.sandbox.run(each)).toEqual({ verdict: 'pass', data: each });
  }
});

