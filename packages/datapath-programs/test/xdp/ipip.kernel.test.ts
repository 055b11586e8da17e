import { NAT_FLAG, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { parsePacket, tcp } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAC, NODE, OTHER_NODE } from './sandbox.ts';
import { CLIENT, datagram, FAMILIES, FAR, frame, ONE, openScene, segment, TWO, UDP, unwrap, VIP, type Scene } from './scene.ts';

const DSR = SERVICE_FLAG.LOAD_BALANCER | SERVICE_FLAG.ROUTABLE | SERVICE_FLAG.DSR;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ dsr_ipip: 1 });
});
beforeEach(() => scene.reset());
afterAll(() => scene[Symbol.dispose]());

/** A frame's IP packet with one hop less. */
function oneHopLess(frame_: Uint8Array): Uint8Array {
  const bytes = frame_.slice(14);
  const view = new DataView(bytes.buffer);
  if (bytes[0]! >> 4 === 6) bytes[7]!--;
  else {
    bytes[8]!--;
    const sum = view.getUint16(10) + 0x0100;
    view.setUint16(10, (sum & 0xffff) + (sum >> 16));
  }
  return bytes;
}

describe.each(FAMILIES)('direct server return within another packet, IPv$family', ({ family }) => {
  const header = family === 4 ? 20 : 40;

  it.each([
    { what: 'TCP', protocol: 6, make: () => segment(family, ['syn'], { size: 100 }) },
    { what: 'UDP', protocol: UDP, make: () => datagram(family) },
  ])('$what goes to the backend as it is', ({ protocol, make }) => {
    scene.add(family, { protocol, flags: DSR });
    const before = make();
    for (let round = 0; round < 2; round++) {
      const { verdict, data } = scene.sandbox.run(before);
      const { outer, inner, innerBytes } = unwrap(data);
      expect(verdict).toBe('tx');
      expect(outer.ethernet).toMatchObject({ source: MAC.node, destination: MAC.one, etherType: family === 4 ? 0x0800 : 0x86dd });
      expect(outer.ip).toMatchObject({ source: NODE[family], destination: ONE[family], protocol: family === 4 ? 4 : 41, ttl: 64, checksumValid: true, fragment: undefined });
      expect(innerBytes).toEqual(oneHopLess(before));
      expect(inner.ip!.checksumValid).toBe(true);
      expect(inner.transport!.checksumValid).toBe(true);
    }
    expect(scene.sandbox.nat()).toMatchObject([{ entry: { flags: NAT_FLAG.SERVICE | NAT_FLAG.ALONE | NAT_FLAG.LEAVES | NAT_FLAG.DSR | NAT_FLAG.IPIP } }]);
  });

  it('takes over the traffic class', () => {
    scene.add(family, { flags: DSR });
    const { data } = scene.sandbox.run(segment(family, ['syn'], { extra: family === 4 ? { tos: 0xb9 } : { trafficClass: 0xb9, flowLabel: 0x12345 } }));
    expect([...data.slice(14, 18)].map((each) => each.toString(16))).toEqual(family === 4 ? ['45', 'b9', '0', '3c'] : ['6b', '91', '23', '45']);
  });

  it('leaves by another device with the address of that', () => {
    scene.add(family, { flags: DSR, backends: [{ address: FAR[family], port: 80 }] });
    const { verdict, data } = scene.sandbox.run(segment(family));
    expect([verdict, unwrap(data).outer]).toMatchObject(['redirect', { ethernet: { source: MAC.other, destination: MAC.far }, ip: { source: OTHER_NODE[family], destination: FAR[family] } }]);
  });

  it('a connection stays at its backend until that is gone; then it goes to another', () => {
    const [one, two] = scene.add(family, { flags: DSR, backends: [{ address: ONE[family], port: 80 }, { address: TWO[family], port: 80 }] });
    const where = (sourcePort: number, flags: Parameters<typeof segment>[1]): string => unwrap(scene.sandbox.run(segment(family, flags, { sourcePort })).data).outer.ip!.destination;
    const ports = Array.from({ length: 64 }, (_, i) => 40_000 + i);
    const first = ports.map((port) => where(port, ['syn']));
    expect([...new Set(first)].sort()).toEqual([ONE[family], TWO[family]]);
    scene.services.retarget(1, [two!]);
    expect(ports.map((port) => where(port, ['ack']))).toEqual(first);
    scene.services.endBackend(one!);
    expect(new Set(ports.map((port) => where(port, ['ack'])))).toEqual(new Set([TWO[family]]));
    expect(scene.sandbox.nat()).toHaveLength(64);
  });

  it('a connection that opens where another one ended is a new one', () => {
    const [, two] = scene.add(family, { flags: DSR, backends: [{ address: ONE[family], port: 80 }, { address: TWO[family], port: 80 }] });
    const where = (flags: Parameters<typeof segment>[1]): string => unwrap(scene.sandbox.run(segment(family, flags)).data).outer.ip!.destination;
    scene.services.retarget(1, [two! - 1]);
    expect(where(['syn'])).toBe(ONE[family]);
    scene.services.retarget(1, [two!]);
    expect([where(['syn']), where(['ack']), where(['fin', 'ack']), where(['ack']), where(['syn']), where(['ack'])]).toEqual([ONE, ONE, ONE, ONE, TWO, TWO].map((each) => each[family]));
  });

  it('connections that began at another node go on', () => {
    scene.add(family, { flags: DSR });
    expect(scene.sandbox.run(segment(family, ['ack'])).verdict).toBe('tx');
    expect(scene.sandbox.run(segment(family, ['rst'], { sourcePort: 40_001 })).verdict).toBe('pass');
  });

  it('tells the sender how long packets may be', () => {
    scene.add(family, { flags: DSR });
    const fits = 1500 - 2 * header - 20;
    expect(scene.sandbox.run(segment(family, ['ack'], { size: fits })).verdict).toBe('tx');
    const before = segment(family, ['ack'], { size: fits + 1 });
    const { verdict, data } = scene.sandbox.run(before);
    const { ethernet, ip, transport, payload } = parsePacket(data);
    expect(verdict).toBe('tx');
    expect(ethernet).toMatchObject({ source: MAC.node, destination: MAC.client });
    expect(ip).toMatchObject({ source: VIP[family], destination: CLIENT[family], checksumValid: true });
    expect(transport).toMatchObject({ type: family === 4 ? 3 : 2, code: family === 4 ? 4 : 0, checksumValid: true });
    const view = new DataView(data.buffer, data.byteOffset);
    expect(family === 4 ? view.getUint16(14 + 20 + 6) : view.getUint32(14 + 40 + 4)).toBe(1500 - header);
    const quote = data.slice(14 + header + 8);
    expect(quote).toEqual(before.slice(14, 14 + quote.length));
    expect(quote.length).toBeGreaterThanOrEqual(header + 8);
    expect(payload.length).toBeLessThan(100);
  });

  it('services in other modes are translated as ever', () => {
    scene.add(family);
    expect(parsePacket(scene.sandbox.run(segment(family)).data)).toMatchObject({ ip: { source: NODE[family], destination: ONE[family] } });
  });
});

it('goes to the backend that the hash of addresses, ports and protocol names', () => {
  const addresses = Array.from({ length: 8 }, (_, i) => `192.168.0.${20 + i}`);
  for (const [i, address] of addresses.entries()) scene.sandbox.exec('ip', 'neigh', 'replace', address, 'lladdr', `02:00:00:00:01:0${i}`, 'nud', 'permanent', 'dev', 'eth0');
  scene.add(4, { flags: DSR, backends: addresses.map((address) => ({ address, port: 80 })) });
  for (let i = 0; i < 5000; i++) {
    const client = `192.168.${i % 200}.${(i * 7) % 251 + 2}`;
    const sourcePort = 1024 + i;
    const { data } = scene.sandbox.run(frame(4, [client, VIP[4]], [tcp({ sourcePort, destinationPort: 80 })]));
    const expected = addresses[Math.floor((murmur(client, sourcePort, 80, 6) * 8) / 2 ** 32)];
    if (unwrap(data).outer.ip!.destination !== expected) expect([client, sourcePort, unwrap(data).outer.ip!.destination]).toEqual([client, sourcePort, expected]);
  }
});

/** service_hash() of bpf/lib/services.h for an IPv4 client, with seed 0. */
function murmur(client: string, sourcePort: number, destinationPort: number, protocol: number): number {
  const swap = (port: number): number => ((port & 0xff) << 8) | (port >> 8);
  const address = client.split('.').map(Number).reduceRight((all, each) => all * 256 + each, 0);
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
  let hash = 0;
  for (const word of [0, 0, 0xffff_0000 | 0, address | 0, swap(sourcePort) | (swap(destinationPort) << 16), protocol]) {
    hash ^= Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  }
  hash ^= 24;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
