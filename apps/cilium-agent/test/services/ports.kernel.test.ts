import { parseIp } from '@cilium-ts/core';
import type { Flow } from '@cilium-ts/testbed';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dropped, FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { frontend, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

/** Two services with one backend. */
const [ONE, TWO] = [1, 2];
const NO_MAPPING = 167;

/** Clients use one port for several frontends at once: Linux gives it out so, and gateways that many share do. */
describe.each(['snat', 'dsr'] as const)('one port of a client to several frontends of one backend, mode %s', (mode) => {
  let cluster: Cluster;
  let here: Server;
  let pod: Server;

  beforeAll(async () => {
    cluster = await openCluster(`ports-${mode}`, [`--bpf-lb-mode=${mode}`, '--bpf-lb-sock-hostns-only']);
    const [first] = cluster.members;
    [here, pod] = [await first.pod('here'), await first.pod('pod')];
    for (const prefix of ['172.20.0.0/16', '172.21.0.0/16', 'fd00:172:20::/64', 'fd00:172:21::/64']) await cluster.outside.route(prefix, first.node);
    await cluster.services([ONE, TWO].map((number) => serviceOf(`s${number}`, number, [[here, 'n0']])).join(''));
    await vi.waitFor(async () => { expect((await first.client.listBpfServices()).length).toBeGreaterThan(15); }, PATIENCE);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const node = (family: Family): string => parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
  const outside = (family: Family) => [ONE, TWO].flatMap((number) => [[node(family), 30_000 + number], [frontend('ExternalIP', number, family), 80], [frontend('LoadBalancer', number, family), 80]] as const);
  const inside = (family: Family) => [ONE, TWO].flatMap((number) => [[frontend('ClusterIP', number, family), 80], [frontend('LoadBalancer', number, family), 80]] as const);

  describe.each(FAMILIES)('IPv%i', (family) => {
    it.each(['a client outside', 'a pod'] as const)('%s: TCP, all at once', async (who) => {
      const [probe, ways] = who === 'a pod' ? [pod.probe, inside(family)] : [cluster.client, outside(family)];
      const before = await dropped(cluster.members[0], NO_MAPPING);
      const flows: Flow[] = [];
      for (const [address, port] of ways) flows.push(await probe.startFlow({ kind: 'tcp', address, port, intervalMs: 20, localPort: 45_004 }));
      await expect.poll(async () => Math.min(...(await Promise.all(flows.map(async (flow) => (await flow.stats()).received)))), { timeout: PATIENCE }).toBeGreaterThan(5);
      for (const flow of flows) expect((await flow.stop()).broken).toBeUndefined();
      expect(await dropped(cluster.members[0], NO_MAPPING)).toBe(before);
    });

    it.each(['a client outside', 'a pod'] as const)('%s: UDP, one after the other, again and again', async (who) => {
      const [probe, ways] = who === 'a pod' ? [pod.probe, inside(family)] : [cluster.client, outside(family)];
      for (let round = 0; round < 3; round++) {
        for (const [address, port] of ways) expect((await probe.udp({ address, port, payload: `udp ${round}`, timeoutMs: PATIENCE, localPort: 45_005 })).outcome).toBe('ok');
      }
    });
  });
});
