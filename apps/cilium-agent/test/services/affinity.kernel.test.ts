import { monotonicMs } from '@cilium-ts/testbed';
import type { Probe } from '@cilium-ts/testbed';
import { parseIp } from '@cilium-ts/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { CLIENT, frontend, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

/** Until a client that has not been heard of is nobody's (seconds). */
const TIMEOUT = 5;
/** The kernel's clock for this goes by ticks. */
const GRAIN_MS = 100;
const PROTOCOLS = ['TCP', 'UDP'] as const;
const LONG = { timeout: PATIENCE };
const WAYS = ['outside', 'a pod, per packet', 'a process of the node, at the socket'] as const;

let cluster: Cluster;
let here: Server;
let there: Server;
let client: Server;
let number = 0;
let count = 0;

beforeAll(async () => {
  cluster = await openCluster('svc-affinity', ['--bpf-lb-sock-hostns-only']);
  [here, client] = [await cluster.members[0].pod('here'), await cluster.members[0].pod('client')];
  there = await cluster.members[1].pod('there');
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** `there` alone, or both with nearly all of the weight at `here`: a choice made anew is `here`. */
const become = async (both: boolean): Promise<void> => {
  const text = serviceOf('sticky', number, [...(both ? [[here, 'n0'] as const] : []), [there, 'n1']], `  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: ${TIMEOUT}}}`);
  const weighted = text.split('---\n').flatMap((document) => (document.includes('kind: EndpointSlice') ? onlyOf(document) : [document])).join('---\n');
  await cluster.members[0].services(weighted);
  await expect.poll(async () => (await cluster.members[0].client.listBpfServices()).filter(({ frontend: { port, ip } }) => port === 30_000 + number && ip === '0.0.0.0').map(({ backends }) => backends.filter(({ share }) => share > 0).length), LONG).toEqual([both ? 2 : 1, both ? 2 : 1]);
};
/** Slices have weights as a whole: one for the backends of each node. */
const onlyOf = (slice: string): string[] =>
  [['n0', 999], ['n1', 1]].map(([node, weight]) => slice
    .replace(/metadata: \{name: (\S+),/, `metadata: {name: $1-${node}, annotations: {service.cilium.io/weight: "${weight}"},`)
    .replace(/\{addresses: [^}]*\}(, )?/g, (endpoint) => (endpoint.includes(`nodeName: ${node}`) ? endpoint : '')));

describe.each(FAMILIES)('a client that stays with its backend for some seconds, IPv%i', (family: Family) => {
  it.each(PROTOCOLS)('%s: is served by it as long as it comes back in time, over a change of backends, and chooses anew afterwards', async (protocol) => {
    number++;
    const node = parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
    const vip = frontend('ClusterIP', number, family);
    const ways: Record<(typeof WAYS)[number], { readonly probe: Probe; readonly target: { readonly address: string; readonly port: number; readonly localAddress?: string } }> = {
      outside: { probe: cluster.client, target: { address: node, port: 30_000 + number, localAddress: CLIENT[family] } },
      'a pod, per packet': { probe: client.probe, target: { address: vip, port: 80 } },
      'a process of the node, at the socket': { probe: await cluster.members[0].node.probe(), target: { address: vip, port: 80 } },
    };
    /** Who answers, and when it was asked (milliseconds). */
    const ask = async (way: (typeof WAYS)[number]) => {
      const { probe, target } = ways[way];
      const payload = `sticky ${String(count++).padStart(6, '0')}`;
      const from = monotonicMs();
      const { outcome } = await (protocol === 'TCP' ? probe.connect({ ...target, payload, timeoutMs: PATIENCE }) : probe.udp({ ...target, payload, timeoutMs: PATIENCE }));
      expect({ way, outcome }).toEqual({ way, outcome: 'ok' });
      const servers = [here, there].filter((server) => server.tap.count(payload) > 0);
      expect(servers).toHaveLength(1);
      return { server: servers[0]!, from, to: monotonicMs() };
    };
    await become(false);
    const last = new Map<string, number>();
    for (const way of WAYS) {
      const { server, from } = await ask(way);
      expect(server).toBe(there);
      last.set(way, from);
    }
    const changing = become(true);
    // For longer than the time-out, so that it counts from the last time. On a machine that was too slow for that nothing can be said.
    let sure = 0;
    const until = monotonicMs() + 1.5 * TIMEOUT * 1000;
    const kept = new Set<string>(WAYS);
    while (monotonicMs() < until) {
      for (const way of kept) {
        const { server, from, to } = await ask(way as (typeof WAYS)[number]);
        const inTime = to - last.get(way)! < TIMEOUT * 1000 - GRAIN_MS;
        if (!inTime) kept.delete(way);
        else {
          expect({ way, server: server === there ? 'there' : 'here' }).toEqual({ way, server: 'there' });
          sure++;
        }
        last.set(way, from);
      }
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
    await changing;
    expect(sure).toBeGreaterThan(WAYS.length);
    await new Promise((resolve) => { setTimeout(resolve, TIMEOUT * 1000 + 2 * GRAIN_MS + 1000); });
    for (const way of WAYS) expect({ way, server: (await ask(way)).server === here ? 'here' : 'there' }).toEqual({ way, server: 'here' });
  }, 120_000);
});
