import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let web: AttachedPod;
let client: AttachedPod;
let other: AttachedPod;
beforeEach(async () => {
  bench = await openBench('crash');
  [web, client, other] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('other')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
  await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
});
afterEach(() => bench[Symbol.asyncDispose]());

const matrix = async () => Promise.all([tcp(client, web.ipv4), tcp(client, web.ipv6), tcp(other, web.ipv4), tcp(other, web.ipv6)]);
const ENFORCED = ['ok', 'ok', 'timeout', 'timeout'];

/** Restarts with a failpoint, does something that hits it, and waits until the agent is dead. */
const dieAt = async (failpoint: string, act: () => Promise<unknown>) => {
  await bench.restart({ flags: [`--failpoint=${failpoint}`] });
  await Promise.all([act().catch(() => undefined), expect(bench.agent.exited).resolves.toMatchObject({ signal: 'SIGKILL' })]);
};

describe('kill -9 in the middle of creating an endpoint', () => {
  it.each(['endpoint-recorded', 'endpoint-wired', 'policy-compiled:2', 'policy-in-kernel:2', 'endpoint-in-kernel', 'endpoint-before-ready'])('at %s: nothing of it is left after the restart, and it can be made anew', async (failpoint) => {
    const pod = await bench.node.createPod('late');
    const make = () => bench.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': 'late', labels: ['app=client'] });
    await dieAt(failpoint, make);
    expect(await matrix()).toEqual(ENFORCED);
    await bench.restart();
    expect(await matrix()).toEqual(ENFORCED);
    expect(await pod.netlink.getLink('eth0')).toBeUndefined();
    expect((await bench.client.listEndpoints()).length).toBe(3);
    expect((await bench.client.listBpfEndpoints()).length).toBe(3);
    expect(readdirSync(`${bench.node.folders.state}/endpoints`).length).toBe(3);
    const made = await make();
    expect(made.status.state).toBe('ready');
    const probe = await pod.probe();
    expect((await probe.connect({ address: web.ipv4, port: 80, timeoutMs: 500 })).outcome).toBe('ok');
  });
});

describe('kill -9 in the middle of a policy commit', () => {
  it.each(['policy-recorded:2', 'policy-compiled:2', 'policy-in-kernel:2'])('at %s: it is in force after the restart', async (failpoint) => {
    await dieAt(failpoint, () => bench.client.importPolicy(allowIngress('web', 'web', 'other')));
    expect([ENFORCED, ['timeout', 'timeout', 'ok', 'ok']]).toContainEqual(await matrix());
    await bench.restart();
    expect(await matrix()).toEqual(['timeout', 'timeout', 'ok', 'ok']);
  });
});

describe('kill -9 in the middle of a label change', () => {
  it.each(['labels-recorded', 'policy-compiled:2', 'policy-in-kernel:2', 'labels-in-kernel'])('at %s: the endpoint has the new identity after the restart', async (failpoint) => {
    await dieAt(failpoint, () => bench.client.setEndpointLabels(client.id, ['app=other']));
    await bench.restart();
    expect(await matrix()).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    const { status } = await bench.client.getEndpoint(client.id);
    expect(status.identity?.id).toBe(other.endpoint.status.identity?.id);
  });
});

describe('kill -9 in the middle of deleting an endpoint', () => {
  it('finishes it at the restart', async () => {
    await dieAt('endpoint-deleting', () => bench.client.deleteEndpoint(other.id));
    await bench.restart();
    expect((await bench.client.listEndpoints()).map(({ id }) => id)).toEqual([web.id, client.id]);
    expect(await other.pod.netlink.getLink('eth0')).toBeUndefined();
    expect(existsSync(`${bench.node.folders.state}/endpoints/${other.id}.json`)).toBe(false);
  });
});

describe('kill -9 under traffic', () => {
  it('loses no packet of what is allowed and passes none of what is not, with no agent and while it comes back', async () => {
    const [allowed, connections, denied] = [
      await client.probe.startFlow({ kind: 'tcp', address: web.ipv4, port: 80, intervalMs: 2 }),
      await client.probe.startFlow({ kind: 'connections', address: web.ipv6, port: 80, intervalMs: 10, timeoutMs: 1000 }),
      await other.probe.startFlow({ kind: 'connections', address: web.ipv4, port: 80, intervalMs: 10, timeoutMs: 200 }),
    ];
    for (let at = 0; at < 3; at++) {
      await bench.agent.stop('SIGKILL');
      expect(await tcp(client, web.ipv4)).toBe('ok');
      expect(await tcp(other, web.ipv4)).toBe('timeout');
      await bench.restart();
    }
    const [tcpStats, connectionStats, deniedStats] = [await allowed.stop(), await connections.stop(), await denied.stop()];
    expect(tcpStats.broken).toBeUndefined();
    expect(tcpStats.missing).toBe(0);
    expect(Object.keys(connectionStats.outcomes)).toEqual(['ok']);
    expect(deniedStats.outcomes.ok ?? 0).toBe(0);
  });
});
