import { fragmentIpv4, fragmentIpv6, parsePacket, payload, type ParsedPacket } from '@cilium-ts/testkit';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NODE, NodeSandbox, type Passage } from './node-sandbox.ts';
import { datagram, echo, FAMILIES, FAR, frame, of, POD, REMOTE, segment, unreachable, type Family } from './packets.ts';

const VIP = { 4: '198.51.100.50', 6: '2001:db8:51::50' } as const;
let node: NodeSandbox;

beforeAll(async () => {
  node = await NodeSandbox.open({ events_drop: 0 });
  node.addPod(POD);
  for (const { family } of FAMILIES) {
    for (const protocol of [6, 17]) {
      node.addService({ address: VIP[family], port: 80, protocol, backends: [{ address: of(POD, family), port: 8080 }] });
      node.addService({ address: VIP[family], port: 81, protocol, backends: [{ address: REMOTE[family], port: 8080 }] });
      node.addService({ address: VIP[family], port: 82, protocol, flags: SERVICE_FLAG.DSR, backends: [{ address: REMOTE[family], port: 8080 }] });
    }
    node.addWildcard(VIP[family]);
  }
});
afterAll(() => node.close());

/** Numbers from 0 to 1 that are the same each time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function templates(family: Family): Uint8Array[] {
  const [pod, vip, own, far] = [of(POD, family), VIP[family], NODE[family], FAR[family]];
  const layers = [80, 81, 82].flatMap((port) => [segment(5000, port, 'syn'), segment(5001, port, 'ack'), datagram(5002, port)]);
  const requests = layers.map((layer) => frame(family, [far, vip], [layer, payload('some payload of the packet')]));
  const answers = [segment(8080, 5000, 'syn', 'ack'), datagram(8080, 5002), echo(family, 'request', 9), segment(40_000, 443, 'syn')].map((layer) => frame(family, [pod, far], [layer, payload('answer')]));
  const errors = [...requests, ...answers].map((quoted) => frame(family, [far, vip], [unreachable(family), payload(quoted.slice(14))]));
  const pieces = (family === 4 ? fragmentIpv4 : fragmentIpv6)(frame(family, [far, vip], [datagram(5003, 80), payload(600)]), 256, 7);
  return [...requests, ...answers, ...errors, ...pieces, frame(family, [far, own], [segment(443, 61_500, 'ack')])];
}

const parsed = (data: Uint8Array): ParsedPacket | undefined => {
  try {
    return parsePacket(data);
  } catch {
    return undefined;
  }
};
const sound = (packet: ParsedPacket | undefined): boolean => packet?.ip !== undefined && packet.ip.checksumValid && packet.transport !== undefined && packet.transport.checksumValid;

test.each(FAMILIES)('IPv$family: broken packets break nothing, sound ones stay sound', ({ family }) => {
  const next = random(family);
  const all = templates(family);
  let translated = 0;
  for (let round = 0; round < 3000; round++) {
    let data = all[Math.floor(next() * all.length)]!.slice();
    const damage = Math.floor(next() * 4);
    for (let i = 0; i < damage; i++) data[14 + Math.floor(next() * Math.min(data.length - 14, 80))] = Math.floor(next() * 256);
    if (next() < 0.1) data = data.slice(0, 14 + Math.floor(next() * (data.length - 14)));
    const before = parsed(data);
    const out = next() < 0.4;
    let passage: Passage;
    try {
      passage = out ? node.leaving(data, POD) : node.incoming(data);
    } catch (error) {
      // shorter than an Ethernet header with a network header: the kernel runs no program on it
      expect((error as { code?: string }).code).toBe('EINVAL');
      continue;
    }
    if (passage.verdict === 'drop') continue;
    if (Buffer.compare(passage.data, data) !== 0) translated++;
    if (sound(before)) expect({ round, sound: sound(parsed(passage.data)) }).toEqual({ round, sound: true });
  }
  expect(translated).toBeGreaterThan(250);
});
