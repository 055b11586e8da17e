import { extension, fragmentIpv4, fragmentIpv6, neighbourAdvertisement, neighbourSolicitation, arp, ethernet, ipv6, packet, payload, sctp } from '@cilium-ts/testkit';
import { createTestRunBuffers, skbContext } from 'libbpf-napi';
import { expect, test } from 'vitest';
import { A, B, datagram, echo, frame, fromPod, HOST, IDENTITY, ip, quoted, REMOTE, segment, toPod, unreachable, WORLD } from './frames.ts';
import { hexAddress, Model, type ModelPod } from './model.ts';
import { device, key16, Sandbox, UPLINK, type Row } from './sandbox.ts';

const PACKETS = 1_000_000;
const SEED = 0x5eed_2026;
const SIZE = 256;
const SERVICES: readonly (readonly [protocol: number, port: number])[] = [[1, 8], [6, 80], [17, 53], [58, 128]];
const ROW: Row = [[0, 'default'], ...SERVICES.flatMap(([protocol, port]): Row => [[protocol * 65536 + port, 'allow'], [protocol * 65536 + port + 1, 'default']])];
const NONE: Row = [[0, 'default']];

const address = (text: string): string => hexAddress(text.includes(':') ? key16(text) : key16(text).subarray(12));
const modelPod = (pod: typeof A | typeof B, name: string): ModelPod => ({ name, mac: pod.mac.replaceAll(':', ''), addresses: [address(pod.ipv4), address(pod.ipv6)], device: device(pod) });
const [a, b] = [modelPod(A, 'A'), modelPod(B, 'B')];

/** A small generator of its own, so that a failure can be repeated (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

/** Well-formed packets of every kind, allowed and not, of which the rest are mutations. */
function corpus(): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const family of [4, 6] as const) {
    const [ipA, ipB] = [ip(A, family), ip(B, family)];
    const layers = [segment(4000, 80, 'syn'), segment(4000, 80, 'ack'), segment(4000, 81, 'syn'), datagram(5000, 53), datagram(5000, 54), echo(family, 'request', 7), echo(family, 'reply', 7), sctp({ sourcePort: 1, destinationPort: 80 })];
    for (const layer of layers) {
      for (const to of [ipB, HOST[family], REMOTE[family], WORLD[family]]) packets.push(fromPod(A, family, to, layer, payload(20)));
      for (const by of [ipA, HOST[family], WORLD[family]]) packets.push(toPod(B, family, by, layer, payload(20)));
    }
    for (const layer of [segment(80, 4000, 'syn', 'ack'), segment(80, 4000, 'syn'), segment(80, 4000, 'fin', 'ack'), datagram(53, 5000), echo(family, 'reply', 7)]) {
      packets.push(fromPod(B, family, ipA, layer, payload(20)), toPod(A, family, ipB, layer, payload(20)));
    }
    const sent = fromPod(A, family, ipB, datagram(5000, 53), payload(8));
    packets.push(fromPod(B, family, ipA, unreachable(family), quoted(sent)), toPod(A, family, WORLD[family], unreachable(family), quoted(sent)));
    packets.push(...(family === 4 ? fragmentIpv4 : fragmentIpv6)(fromPod(A, family, ipB, datagram(5000, 53), payload(120)), 48, 99));
    packets.push(frame(family, [ipA, ipB], [datagram(5000, 53)], { ip: family === 4 ? { options: Uint8Array.of(1, 7, 7, 4, 0, 0, 0, 0) } : {} }));
  }
  packets.push(fromPod(A, 6, B.ipv6, extension('hopByHop'), extension('destinationOptions'), datagram(5000, 53)));
  packets.push(packet(ethernet({ source: A.mac, destination: A.hostMac }), arp({ operation: 'request', senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] })));
  for (const nd of [neighbourSolicitation({ target: 'fe80::fe', linkLayer: A.mac }), neighbourAdvertisement({ target: A.ipv6, linkLayer: A.mac })]) {
    packets.push(packet(ethernet({ source: A.mac, destination: A.hostMac }), ipv6({ source: A.ipv6, destination: 'fe80::fe', hopLimit: 255 }), nd));
  }
  return packets;
}

/** Flips, sets, copies and cuts; one in sixteen stays whole, one in sixteen is noise behind its Ethernet header. */
function mutate(bytes: Uint8Array, into: Uint8Array, pick: (below: number) => number): number {
  into.set(bytes);
  let length = bytes.length;
  const way = pick(16);
  if (way === 0) return length;
  if (way === 1) for (let at = 14; at < length; at++) into[at] = pick(256);
  for (let count = way === 1 ? 0 : 1 + pick(4); count > 0; count--) {
    const at = pick(8) === 0 ? pick(length) : 12 + pick(Math.min(length, 80) - 12);
    if (pick(2) === 0) into[at]! ^= 1 << pick(8);
    else into[at] = [0, 1, 5, 6, 17, 44, 58, 60, 255, 0x45, 0x60, pick(256)][pick(12)]!;
  }
  if (pick(4) === 0) length = Math.max(54, length - pick(length - 14)); // the kernel refuses test runs without a whole IP header
  return Math.min(length, bytes.length);
}

test('a million mutated packets: dropped, or let through as an independent model says', async () => {
  using sandbox = await Sandbox.open({ events_drop: 0, events_verdict: 0, events_trace: 0 }, { cilium_flows: 262_144, cilium_fragments: 65_536 });
  await sandbox.addPod(A, { ingress: { any: NONE }, egress: { any: NONE, by: new Map([[B.identity, ROW]]) } });
  await sandbox.addPod(B, { ingress: { any: NONE, by: new Map([[A.identity, ROW]]) }, egress: { any: NONE } });
  for (const family of [4, 6] as const) {
    sandbox.addRemote(`${HOST[family]}/${family === 4 ? 32 : 128}`, IDENTITY.host, 1);
    sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 24 : 64}`, IDENTITY.remote);
  }
  const model = new Model([a, b], (from, to, protocol, port) => a.addresses.includes(from) && b.addresses.includes(to) && SERVICES.some((each) => each[0] === protocol && each[1] === port));
  const programs = { from: sandbox.object.program('cil_from_container'), to: sandbox.object.program('cil_to_container') };
  const pick = random(SEED);
  const samples = corpus();
  const scratch = new Uint8Array(SIZE);
  const buffers = Array.from({ length: SIZE + 1 }, (_, length) => (length < 14 ? undefined : createTestRunBuffers({ dataIn: length, dataOut: 0, ctx: 192 })));
  const counts = { passed: 0, dropped: 0, wholePassed: 0 };
  const wrong: string[] = [];

  const one = (index: number): void => {
    const sample = samples[index < samples.length ? index : pick(samples.length)]!;
    const length = index < samples.length ? (scratch.set(sample), sample.length) : mutate(sample, scratch, pick);
    const bytes = scratch.slice(0, length);
    const pod = pick(2) === 0 ? a : b;
    const outward = pick(8) < 5;
    const by = [0, UPLINK, a.device, b.device][pick(4)]!;
    const run = buffers[length]!;
    run.dataIn.set(bytes);
    skbContext({ ifindex: pod.device, ingressIfindex: outward ? pod.device : by }, run.ctxIn);
    let action: number;
    try {
      action = (outward ? programs.from : programs.to).testRunRaw(run);
    } catch {
      return; // shorter than the kernel lets a test run be
    }
    const may = outward ? model.fromPod(pod, bytes) : model.toPod(pod, by, bytes);
    if (action === 2) counts.dropped++;
    else {
      counts.passed++;
      if (may === undefined || (action !== 0 && (action !== 7 || !outward || may === 'link'))) wrong.push(`packet ${index}: ${outward ? 'from' : 'to'} ${pod.name} by ${by}, action ${action}: ${Buffer.from(bytes).toString('hex')}`);
      else model.passed(may);
    }
  };
  sandbox.node.run(() => {
    for (let index = 0; index < PACKETS && wrong.length < 5; index++) one(index);
  });
  expect(wrong).toEqual([]);
  // the test is worth something only if much of both happened
  expect(counts.passed).toBeGreaterThan(PACKETS / 50);
  expect(counts.dropped).toBeGreaterThan(PACKETS / 4);
  expect(counts.passed + counts.dropped).toBeGreaterThan(PACKETS * 0.9);
}, 1_800_000); // twenty seconds here, but emulated machines run it too
