import { parseIp } from '@cilium-ts/core';
import type { Flow, FlowOptions } from '@cilium-ts/testbed';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

const BOTH = 1;
const PORT = 30_000 + BOTH;
const LONG = { timeout: PATIENCE };

/** Each client comes to the first node; the backends are one pod of each node. */
describe.each(['snat', 'dsr', 'hybrid'] as const)('a backend goes while clients outside stream by way of a NodePort, mode %s', (mode) => {
  let cluster: Cluster;
  let here: Server;
  let there: Server;

  beforeAll(async () => {
    cluster = await openCluster(`gone-${mode}`, [`--bpf-lb-mode=${mode}`]);
    here = await cluster.members[0].pod('here');
    there = await cluster.members[1].pod('there');
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const become = async (backends: readonly (readonly [Server, string])[]): Promise<void> => {
    await cluster.services(serviceOf('both', BOTH, backends));
    const wanted = backends.map(([server]) => server.ipv4).sort();
    for (const { client } of cluster.members) {
      await expect.poll(async () => (await client.listBpfServices()).find(({ frontend: { port, ip } }) => port === PORT && ip === '0.0.0.0')?.backends.filter(({ share }) => share > 0).map(({ ip }) => ip).sort(), LONG).toEqual(wanted);
    }
  };
  const node = (family: Family): string => parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
  /** Connections that a backend has. One whose client was sent elsewhere never hears of it: what was there before is not counted. */
  const established = async ({ pod }: Server, family: Family): Promise<number> => (await pod.exec('ss', '-Htn', `-${family}`, 'state', 'established', 'sport = :8080')).split('\n').filter((line) => line !== '').length;

  /** A flow of the client outside, which does not outlive the test, however that ends. */
  const startFlow = async (options: FlowOptions): Promise<Flow> => {
    const flow = await cluster.client.startFlow(options);
    onTestFinished(async () => { await flow.stop(); });
    return flow;
  };

  beforeEach(() => become([[here, 'n0'], [there, 'n1']]));

  describe.each(FAMILIES)('IPv%i', (family) => {
    it.each([['the one on the other node', 1], ['the one on the node', 0]] as const)('TCP: %s: its connections end, those of the other one go on, new ones come about', async (_, which) => {
      const [gone, left] = which === 1 ? [there, here] : [here, there];
      const flows: Flow[] = [];
      const [oldGone, oldLeft] = [await established(gone, family), await established(left, family)];
      const held = async () => [(await established(gone, family)) - oldGone, (await established(left, family)) - oldLeft] as const;
      while (flows.length < 4 || Math.min(...(await held())) < 2) {
        const flow = await startFlow({ kind: 'tcp', address: node(family), port: PORT, intervalMs: 20 });
        flows.push(flow);
        await expect.poll(async () => (await flow.stats()).received, LONG).toBeGreaterThan(1);
      }
      const [toGone, toLeft] = await held();
      expect(toGone + toLeft).toBe(flows.length);
      const hammer = await startFlow({ kind: 'connections', address: node(family), port: PORT, intervalMs: 10, timeoutMs: PATIENCE });
      await become([[left, which === 1 ? 'n0' : 'n1']]);
      const ended = async () => (await Promise.all(flows.map((flow) => flow.stats()))).flatMap(({ broken }) => (broken ? [broken.code] : []));
      await expect.poll(ended, LONG).toEqual(Array.from({ length: toGone }, () => 'ECONNRESET'));
      // What is in the air arrives, then the one that went is heard of no more.
      const before = await Promise.all(flows.map((flow) => flow.stats()));
      const grown = async () => (await Promise.all(flows.map((flow) => flow.stats()))).filter(({ received }, at) => received > before[at]!.received + 5).length;
      await expect.poll(grown, LONG).toBe(toLeft);
      const { received } = await hammer.stats();
      await expect.poll(async () => (await hammer.stats()).received, LONG).toBeGreaterThan(received + 10);
      expect(await grown()).toBe(toLeft);
      for (const flow of flows) await flow.stop();
      // A connection that was being made to the backend that went may be reset, and none else.
      const { outcomes } = await hammer.stop();
      expect(Object.keys(outcomes).filter((outcome) => outcome !== 'ok' && outcome !== 'reset')).toEqual([]);
      expect(outcomes.reset ?? 0).toBeLessThan(20);
    });

    it('TCP: one that is about to end keeps its connections and gets no new ones', async () => {
      const flows: Flow[] = [];
      const old = await established(there, family);
      while (flows.length < 4 || (await established(there, family)) - old < 2) {
        const flow = await startFlow({ kind: 'tcp', address: node(family), port: PORT, intervalMs: 20 });
        flows.push(flow);
        await expect.poll(async () => (await flow.stats()).received, LONG).toBeGreaterThan(1);
      }
      const ending = serviceOf('both', BOTH, [[here, 'n0'], [there, 'n1']]).replaceAll('nodeName: n1}', 'nodeName: n1, conditions: {ready: false, serving: true, terminating: true}}');
      await cluster.services(ending);
      for (const { client } of cluster.members) await expect.poll(async () => (await client.listBpfServices()).find(({ frontend: { port, ip } }) => port === PORT && ip === '0.0.0.0')?.backends.filter(({ share }) => share > 0).map(({ ip }) => ip), LONG).toEqual([here.ipv4]);
      for (let at = 0; at < 10; at++) expect((await cluster.client.connect({ address: node(family), port: PORT, payload: `ending-${family}`, timeoutMs: PATIENCE })).outcome).toBe('ok');
      expect(there.tap.count(`ending-${family}`)).toBe(0);
      const before = await Promise.all(flows.map((flow) => flow.stats()));
      await expect.poll(async () => Math.min(...(await Promise.all(flows.map(async (flow, at) => (await flow.stats()).received - before[at]!.received)))), LONG).toBeGreaterThan(5);
      for (const flow of flows) expect((await flow.stop()).broken).toBeUndefined();
    });

    it('UDP: its streams go on with the one that is left, and nothing of them comes to it any more', async () => {
      const flows: Flow[] = [];
      const at = async ({ probe }: Server): Promise<Flow[]> => {
        const streams = await probe.streams(8080);
        return flows.filter(({ stream }) => streams[stream]);
      };
      while (flows.length < 4 || (await at(there)).length < 2 || (await at(here)).length < 2) {
        const flow = await startFlow({ kind: 'udp', address: node(family), port: PORT, intervalMs: 20 });
        flows.push(flow);
        await expect.poll(async () => (await at(here)).includes(flow) || (await at(there)).includes(flow), LONG).toBe(true);
      }
      await become([[here, 'n0']]);
      await expect.poll(async () => (await at(here)).length, LONG).toBe(flows.length);
      const sums = async ({ probe }: Server): Promise<number> => Object.values(await probe.streams(8080)).reduce((sum, { received }) => sum + received, 0);
      const [ofHere, ofThere] = [await sums(here), await sums(there)];
      await expect.poll(() => sums(here), LONG).toBeGreaterThan(ofHere + 50);
      expect(await sums(there)).toBe(ofThere);
      for (const flow of flows) expect((await flow.stop()).broken).toBeUndefined();
    });
  });
});
