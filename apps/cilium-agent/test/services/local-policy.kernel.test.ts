import { parseIp } from '@cilium-ts/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { CLIENT, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

const LOCAL = 3;
const CHECK = 32_103;
const LONG = { timeout: PATIENCE };

let cluster: Cluster;
let here: Server;
let there: Server;

beforeAll(async () => {
  cluster = await openCluster('svc-local');
  here = await cluster.members[0].pod('here');
  there = await cluster.members[1].pod('there');
});
afterAll(() => cluster[Symbol.asyncDispose]());

const addressOf = (at: number, family: Family): string => parseIp(family === 4 ? cluster.members[at]!.uplink.nodeIpv4 : cluster.members[at]!.uplink.nodeIpv6)!.text;

/** What load balancers outside are told by each node: status, and how many backends of its own. Over both families. */
const checks = async (): Promise<string[]> => {
  const script = `
    const ask = async (url) => {
      try {
        const answer = await fetch(url);
        const { localEndpoints, service } = await answer.json();
        return [answer.status, localEndpoints, answer.headers.get('x-load-balancing-endpoint-weight'), service.namespace + '/' + service.name].join(' ');
      } catch { return 'closed'; }
    };
    Promise.all(process.argv.slice(1).map(ask)).then((lines) => { console.log(JSON.stringify(lines)); process.exit(); });`;
  const urls = [0, 1].flatMap((at) => [`http://${addressOf(at, 4)}:${CHECK}/`, `http://[${addressOf(at, 6)}]:${CHECK}/`]);
  const [first4, first6, second4, second6] = JSON.parse(await cluster.outside.exec(process.execPath, '-e', script, ...urls)) as [string, string, string, string];
  return [first4 === first6 ? first4 : `${first4} but ${first6}`, second4 === second6 ? second4 : `${second4} but ${second6}`];
};
const answer = (backends: number): string => `${backends > 0 ? 200 : 503} ${backends} ${backends} shop/local`;

const services = (backends: readonly (readonly [Server, string])[]): Promise<void> =>
  cluster.services(serviceOf('local', LOCAL, backends, `  externalTrafficPolicy: Local\n  healthCheckNodePort: ${CHECK}`));
/** Whether clients outside are served by way of each node, the same for TCP and UDP over both families. */
const served = async (): Promise<boolean[]> => {
  const all = await Promise.all([0, 1].map(async (at) => {
    const attempts = await Promise.all(FAMILIES.flatMap((family) => {
      const target = { address: addressOf(at, family), port: 30_000 + LOCAL, localAddress: CLIENT[family], timeoutMs: 2000 };
      return [cluster.client.connect(target), cluster.client.udp(target)];
    }));
    const outcomes = new Set(attempts.map(({ outcome }) => outcome === 'ok'));
    expect(outcomes.size, JSON.stringify(attempts)).toBe(1);
    return outcomes.has(true);
  }));
  return all;
};

describe('externalTrafficPolicy Local on two nodes: the health check port and the NodePort say the same', () => {
  it('while backends come, go, lose their device and are deleted', async () => {
    expect(await checks()).toEqual(['closed', 'closed']);
    await services([[here, 'n0'], [there, 'n1']]);
    await expect.poll(checks, LONG).toEqual([answer(1), answer(1)]);
    expect(await served()).toEqual([true, true]);

    await services([[there, 'n1']]);
    await expect.poll(checks, LONG).toEqual([answer(0), answer(1)]);
    expect(await served()).toEqual([false, true]);

    const second = await cluster.members[0].pod('second');
    await services([[here, 'n0'], [second, 'n0']]);
    await expect.poll(checks, LONG).toEqual([answer(2), answer(0)]);
    expect(await served()).toEqual([true, false]);

    // A backend without its device is none; the file still has it.
    await second.pod.netlink.setLink('eth0', { up: false });
    await expect.poll(checks, LONG).toEqual([answer(1), answer(0)]);
    expect(await served()).toEqual([true, false]);
    await cluster.members[0].client.deleteEndpoint(here.id);
    await expect.poll(checks, LONG).toEqual([answer(0), answer(0)]);
    expect(await served()).toEqual([false, false]);
    await second.pod.netlink.setLink('eth0', { up: true });
    await expect.poll(checks, LONG).toEqual([answer(1), answer(0)]);
    expect(await served()).toEqual([true, false]);

    // Over a restart; it is the agent that answers, so not while it is away.
    await cluster.members[0].agent.stop();
    expect(await checks()).toEqual(['closed', answer(0)]);
    expect(await served()).toEqual([true, false]);
    await cluster.members[0].restart();
    await expect.poll(checks, LONG).toEqual([answer(1), answer(0)]);

    // One that is about to end takes nothing new.
    const text = serviceOf('local', LOCAL, [[second, 'n0'], [there, 'n1']], `  externalTrafficPolicy: Local\n  healthCheckNodePort: ${CHECK}`);
    await cluster.services(text.replaceAll('nodeName: n0}', 'nodeName: n0, conditions: {ready: false, serving: true, terminating: true}}'));
    await expect.poll(async () => (await checks())[1], LONG).toBe(answer(1));
    expect((await checks())[0]).toBe(answer(0));

    await cluster.services('');
    await cluster.services('---\napiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {clusterIP: None}\n');
    await expect.poll(checks, LONG).toEqual(['closed', 'closed']);
  }, 180_000);
});
