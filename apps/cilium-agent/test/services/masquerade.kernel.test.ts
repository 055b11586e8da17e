import { parseIp } from '@cilium-ts/core';
import { parsePacket } from '@cilium-ts/testkit';
import type { Flow, Probe } from '@cilium-ts/testbed';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { FAMILIES, PATIENCE, tap } from '../scenario/support/arena.ts';
import type { Family, Tap } from '../scenario/support/arena.ts';
import { openCluster } from './cluster.ts';
import type { Cluster, Member, Server } from './cluster.ts';

/** Two servers outside. */
const FAR = { 4: '198.51.100.10', 6: '2001:db8:51::10' } as const;
const EXCLUDED = { 4: '203.0.113.20', 6: '2001:db8:113::20' } as const;
const PORT = 4430;

let cluster: Cluster;
let pods: readonly [Server, Server];
let wires: readonly Tap[];
afterEach(() => cluster[Symbol.asyncDispose]());

const nodeOf = ({ uplink }: Member, family: Family): string => parseIp(family === 4 ? uplink.nodeIpv4 : uplink.nodeIpv6)!.text;
const far = [FAR, EXCLUDED].flatMap((each) => FAMILIES.map((family) => each[family]));

const open = async (flags: readonly string[]): Promise<void> => {
  cluster = await openCluster('svc-masq', flags);
  pods = [await cluster.members[0].pod('one'), await cluster.members[1].pod('two')];
  for (const protocol of ['tcp', 'udp'] as const) await cluster.client.listen({ protocol, port: PORT, addresses: far });
  wires = [await tap(cluster.outside, 'to-0'), await tap(cluster.outside, 'to-1')];
};

/** Who a text came from, as the outside sees it. */
const sources = (text: string): string[] => [...new Set(wires.flatMap((wire) => wire.frames()).filter((bytes) => Buffer.from(bytes).includes(text, 0, 'latin1')).map((bytes) => parsePacket(bytes).ip!.source))].sort();

let count = 0;
/** One question of each protocol, which have to be answered; the sources that they came from. */
const askedFrom = async (probe: Probe, address: string, port = PORT): Promise<string[]> => {
  const seen: string[] = [];
  for (const protocol of ['TCP', 'UDP'] as const) {
    const payload = `question ${String(count++).padStart(6, '0')}`;
    const target = { address, port, payload, timeoutMs: 5000 };
    const { outcome } = await (protocol === 'TCP' ? probe.connect(target) : probe.udp(target));
    expect({ address, protocol, outcome }).toEqual({ address, protocol, outcome: 'ok' });
    // Answers carry the text too; the outside's own leave by the devices that are listened to, and are not seen there.
    seen.push(...sources(payload));
  }
  return [...new Set(seen)].sort();
};

describe('endpoints of two nodes, masqueraded in eBPF', () => {
  it("have their node's address outside, but for what the ip-masq file lists, and among each other their own", async () => {
    await open(['--enable-bpf-masquerade']);
    const path = join(cluster.testbed.folder, 'ip-masq.yaml');
    await writeFile(path, `nonMasqueradeCIDRs:\n  - ${EXCLUDED[4]}/32\n  - ${EXCLUDED[6].replace(/20$/, '')}/64\n`);
    for (const protocol of ['tcp', 'udp'] as const) for (const { node } of cluster.members) await (await node.probe()).listen({ protocol, port: PORT });
    // The second node has no list: what one node leaves alone is not the other's affair.
    await cluster.members[0].restart({ flags: [...cluster.members[0].flags, '--enable-ip-masq-agent', `--ip-masq-agent-config-path=${path}`] });
    const [first, second] = cluster.members;
    for (const family of FAMILIES) {
      const [one, two] = pods.map((pod) => parseIp(pod.address(family))!.text) as [string, string];
      expect(await askedFrom(pods[0].probe, FAR[family])).toEqual([nodeOf(first, family)]);
      expect(await askedFrom(pods[1].probe, FAR[family])).toEqual([nodeOf(second, family)]);
      expect(await askedFrom(pods[0].probe, EXCLUDED[family])).toEqual([one]);
      expect(await askedFrom(pods[1].probe, EXCLUDED[family])).toEqual([nodeOf(second, family)]);
      // The outside routes between them: it sees the answers too.
      expect(await askedFrom(pods[0].probe, two, 8080)).toEqual([one, two].sort());
      expect(await askedFrom(pods[1].probe, one, 8080)).toEqual([one, two].sort());
      // The node itself is no endpoint.
      expect(await askedFrom(await first.node.probe(), FAR[family])).toEqual([nodeOf(first, family)]);
    }
  });
});

interface Running {
  readonly name: string;
  readonly flow: Flow;
}

/** Connections and streams of both nodes' pods, to outside and to each other. */
const startAll = async (): Promise<Running[]> => {
  const running: Running[] = [];
  for (const family of FAMILIES) {
    for (const [at, pod] of pods.entries()) {
      const peer = pods[1 - at]!.address(family);
      for (const [where, address, port] of [['outside', FAR[family], PORT], ['peer', peer, 8080]] as const) {
        for (const kind of ['tcp', 'udp'] as const) running.push({ name: `${kind} of ${at} to ${where}, IPv${family}`, flow: await pod.probe.startFlow({ kind, address, port, intervalMs: 10 }) });
      }
    }
  }
  return running;
};

describe('the switch of masquerading from nftables to eBPF, one node after the other', () => {
  it('cuts no connection and loses no packet of either node, to the outside and to each other', async () => {
    await open([]);
    const running = await startAll();
    const moved = async (): Promise<void> => {
      const before = await Promise.all(running.map(async ({ flow }) => (await flow.stats()).sent));
      await expect.poll(async () => Math.min(...(await Promise.all(running.map(async ({ flow }, at) => (await flow.stats()).sent - before[at]!)))), { timeout: PATIENCE }).toBeGreaterThan(20);
    };
    await moved();
    for (const member of cluster.members) {
      expect(await member.node.exec('nft', 'list', 'table', 'inet', 'cilium')).toContain('masquerade');
      await member.restart({ flags: [...member.flags, '--enable-bpf-masquerade'] });
      expect(await member.node.exec('nft', 'list', 'table', 'inet', 'cilium')).not.toContain('masquerade');
      expect((await member.client.healthz()).masquerading.mode).toMatch(/^BPF \(nftables still carries \d+ connections\)$/);
      await moved();
    }
    // New ones in the meantime, and a kill without a chance to put anything in order.
    for (const [at, member] of cluster.members.entries()) for (const family of FAMILIES) expect(await askedFrom(pods[at]!.probe, FAR[family])).toEqual([nodeOf(member, family)]);
    await cluster.members[0].restart({ flags: [...cluster.members[0].flags, '--enable-bpf-masquerade'], signal: 'SIGKILL' });
    await moved();
    const servers = { outside: await cluster.client.streams(PORT), 0: await pods[0].probe.streams(8080), 1: await pods[1].probe.streams(8080) };
    const streams = Object.assign({}, ...Object.values(servers)) as Record<string, { readonly missing: number; readonly received: number; readonly last: number } | undefined>;
    for (const { name, flow } of running) {
      const { broken, missing, received, sent } = await flow.stop();
      expect({ name, broken, missing }).toEqual({ name, broken: undefined, missing: 0 });
      if (name.startsWith('udp')) {
        const stream = streams[flow.stream]!;
        expect({ name, missing: stream.missing, lost: stream.last - stream.received }).toEqual({ name, missing: 0, lost: 0 });
      } else expect(sent - received).toBeLessThan(sent / 2);
    }
  });
});
