import { deleteNamespace } from '@cilium-ts/netlink';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let web: AttachedPod;
let client: AttachedPod;
beforeEach(async () => {
  bench = await openBench('devices');
  [web, client] = [await bench.pod('web'), await bench.pod('client')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
  expect(await tcp(client, web.ipv4)).toBe('ok');
});
afterEach(() => bench[Symbol.asyncDispose]());

const stateBecomes = (state: string) => expect.poll(async () => (await bench.client.getEndpoint(web.id)).status.state, { timeout: 5000 }).toBe(state);
const hostDevice = () => web.endpoint.status.networking['interface-name'];

describe("an endpoint's device", () => {
  it.each([['the host end', async () => bench.node.netlink.setLink(hostDevice(), { up: false }), async () => bench.node.netlink.setLink(hostDevice(), { up: true })],
    ["the pod's end", async () => web.pod.netlink.setLink('eth0', { up: false }), async () => web.pod.netlink.setLink('eth0', { up: true })]])(
    '%s set down: closed and reported; up again: in service again', async (_, down, up) => {
      await down();
      await stateBecomes('not-ready');
      expect((await bench.client.getEndpointHealth(web.id))).toMatchObject({ overallHealth: 'Disabled', connected: false });
      expect(await tcp(client, web.ipv4)).not.toBe('ok');
      await bench.restart();
      await stateBecomes('not-ready');
      await up();
      await stateBecomes('ready');
      for (const address of [web.ipv4, web.ipv6]) await expect.poll(() => tcp(client, address), { timeout: 5000 }).toBe('ok');
      expect(await tcp(web, client.ipv4, 9)).toBe('refused');
    });

  it('removed: reported as disconnected, its address stays closed; deleting and making it anew works', async () => {
    await web.pod.netlink.deleteLink('eth0');
    await stateBecomes('disconnected');
    expect(await tcp(client, web.ipv4)).not.toBe('ok');
    await bench.restart();
    await stateBecomes('disconnected');
    await bench.client.deleteEndpoint(web.id);
    await bench.client.createEndpoint({ 'container-netns-path': web.pod.netns, 'container-name': 'web', labels: ['app=web'], addressing: { ipv4: web.ipv4 } });
    expect(await tcp(client, web.ipv4)).toBe('ok');
  });

  it('gone with its namespace: the endpoint goes too', async () => {
    await web.probe.close();
    web.pod.netlink.close();
    deleteNamespace(web.pod.netns);
    await expect.poll(async () => (await bench.client.listEndpoints()).length, { timeout: 10_000 }).toBe(1);
    await bench.restart();
    expect((await bench.client.listEndpoints()).length).toBe(1);
  });

  it('gone with its namespace while no agent runs: the endpoint goes at the restart', async () => {
    await bench.agent.stop('SIGKILL');
    await web.probe.close();
    web.pod.netlink.close();
    deleteNamespace(web.pod.netns);
    await bench.restart();
    expect((await bench.client.listEndpoints()).map(({ id }) => id)).toEqual([client.id]);
    expect((await bench.client.listBpfEndpoints()).length).toBe(1);
  });
});
