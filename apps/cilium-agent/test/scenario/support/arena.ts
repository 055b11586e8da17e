import type { AgentOptions, Outside, Place, Uplink } from '@cilium-ts/testbed';
import type { PacketSocket } from '@cilium-ts/netlink';
import { ethernet, icmp, icmpv6, ipv4, ipv6, packet, payload, udp } from '@cilium-ts/testkit';
import type { Layer } from '@cilium-ts/testkit';
import { expect } from 'vitest';
import { openBench } from '../../support/bench.ts';
import type { AttachedPod, Bench } from '../../support/bench.ts';

/** Reasons as datapath events and metrics number them (bpf/lib/drop_reasons.h). */
export const REASON = {
  sourceMac: 130, sourceIp: 132, policy: 133, invalid: 134, unknownTarget: 150, staleIp: 151, insertFailed: 155, unknownFlow: 163, fragment: 175,
  forbiddenIcmp6: 176, policyDeny: 181, multicast: 201, noPolicy: 203,
} as const;

export type Family = 4 | 6;
export const FAMILIES: readonly Family[] = [4, 6];

/** How long an event that has to come may take on a busy machine (milliseconds). */
export const PATIENCE = 20_000;

/** A node with an agent, and an outside world that may send it anything. */
export interface Arena extends Bench {
  readonly outside: Outside;
  readonly uplink: Uplink;
  /** A pod, and a packet socket on its device. */
  armed(name: string, labels?: readonly string[], request?: object): Promise<ArmedPod>;
}

/** A pod that can send any frame and sees every frame it gets. */
export interface ArmedPod extends AttachedPod {
  readonly mac: string;
  readonly hostMac: string;
  readonly socket: PacketSocket;
  readonly tap: Tap;
  address(family: Family): string;
}

/** What came in by a device. */
export interface Tap {
  /** How many frames with this text in them came so far. */
  count(text: string): number;
  /** All frames so far. */
  frames(): readonly Uint8Array[];
  close(): void;
}

export const tapOf = (socket: PacketSocket): Tap => {
  const seen: Uint8Array[] = [];
  const drain = (): readonly Uint8Array[] => {
    for (let frames = socket.receive(); frames.length > 0; frames = socket.receive()) for (const { type, bytes } of frames) if (type !== 'outgoing') seen.push(Uint8Array.from(bytes));
    return seen;
  };
  return { frames: drain, close: () => { socket.close(); }, count: (text) => drain().filter((bytes) => Buffer.from(bytes).includes(text, 0, 'latin1')).length };
};

/** Watches a device of a place. */
export const tap = async (place: Place, device: string): Promise<Tap> => tapOf(await place.frames(device));

export const openArena = async (name: string, options: AgentOptions = {}): Promise<Arena> => {
  const bench = await openBench(name, options);
  try {
    const outside = await bench.testbed.createOutside();
    const uplink = await outside.connect(bench.node);
    await outside.route('10.244.0.0/16', bench.node);
    await outside.route('fd00:10:244::/64', bench.node);
    const armed: Arena['armed'] = async (podName, labels = [`app=${podName}`], request = {}) => {
      const pod = await bench.node.createPod(podName);
      const endpoint = await bench.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': podName, labels: [...labels], ...request });
      const { networking } = endpoint.status;
      const [address] = networking.addressing;
      const attached: AttachedPod = { pod, endpoint, id: endpoint.id, ipv4: address?.ipv4 ?? '', ipv6: address?.ipv6 ?? '', probe: await pod.probe() };
      return {
        ...attached, mac: networking.mac, hostMac: networking['host-mac'], socket: await pod.frames('eth0'), tap: await tap(pod, 'eth0'),
        address: (family) => (family === 4 ? attached.ipv4 : attached.ipv6),
      };
    };
    // `bench.agent` changes with each restart: the arena must go on showing it.
    return Object.assign(bench, { outside, uplink, armed });
  } catch (error) {
    await bench[Symbol.asyncDispose]();
    throw error;
  }
};

/** Packets counted under a reason so far, both directions. */
export const dropped = async ({ client }: Pick<Arena, 'client'>, reason: number): Promise<number> =>
  (await client.listBpfMetrics()).filter((metric) => metric.reason === reason).reduce((sum, { packets }) => sum + packets, 0);

/** Sends, and waits until exactly `count` more packets are dropped for this reason. */
export const refusedFor = async (arena: Arena, reason: number, count: number, send: () => unknown): Promise<void> => {
  const before = await dropped(arena, reason);
  await send();
  await expect.poll(async () => (await dropped(arena, reason)) - before, { timeout: PATIENCE }).toBe(count);
};

/** An IP header of the family, from and to these addresses. */
export const ip = (family: Family, addresses: { readonly source: string; readonly destination: string; readonly hops?: number }, more: object = {}): Layer => {
  const { source, destination, hops = 64 } = addresses;
  return family === 4 ? ipv4({ source, destination, ttl: hops, ...more }) : ipv6({ source, destination, hopLimit: hops, ...more });
};

/** A datagram as `sender` would send it, unless `fake` says otherwise. `text` is for taps to look for. */
export const datagram = (sender: ArmedPod, family: Family, to: { readonly address: string; readonly port: number; readonly text: string }, fake: { readonly source?: string; readonly mac?: string; readonly port?: number } = {}): Uint8Array =>
  packet(
    ethernet({ source: fake.mac ?? sender.mac, destination: sender.hostMac }),
    ip(family, { source: fake.source ?? sender.address(family), destination: to.address }),
    udp({ sourcePort: fake.port ?? 20_000, destinationPort: to.port }),
    payload(to.text),
  );

/** An ICMP error of the family that says "port unreachable" about `about`. */
export const unreachable = (family: Family, about: Uint8Array): readonly Layer[] => [family === 4 ? icmp({ type: 3, code: 3 }) : icmpv6({ type: 1, code: 4 }), payload(about)];

/** A policy document: `spec` in YAML flow or block form, indented by two. */
export const cnp = (name: string, spec: string): string => `---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\nspec:\n${spec.replace(/^\n/, '').trimEnd()}\n`;

/** Imports policies; every endpoint must have taken them. */
export const enforce = async ({ client }: Pick<Arena, 'client'>, ...documents: readonly string[]): Promise<void> => {
  const change = await client.importPolicy(documents.join(''));
  expect(change.failures).toEqual([]);
};

/** Waits until a tap has seen exactly this many frames with the text. */
export const arrives = async (at: Tap, text: string, count = 1): Promise<void> => {
  await expect.poll(() => at.count(text), { timeout: PATIENCE }).toBe(count);
};
