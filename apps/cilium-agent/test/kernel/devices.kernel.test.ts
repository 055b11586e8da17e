import { createNamespace, deleteNamespace } from '@cilium-ts/netlink';
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

  /** An endpoint in a namespace that nobody but its path holds. */
  const attachBrief = async () => {
    const path = `${bench.testbed.folder}/brief`;
    createNamespace(path).close();
    const endpoint = await bench.client.createEndpoint({ 'container-netns-path': path, 'container-name': 'brief', labels: ['app=brief'] });
    expect((await bench.client.listEndpoints()).length).toBe(3);
    return { path, id: endpoint.id };
  };

  it('gone with its namespace: the endpoint goes too', async () => {
    const { path } = await attachBrief();
    deleteNamespace(path);
    await expect.poll(async () => (await bench.client.listEndpoints()).length, { timeout: 10_000 }).toBe(2);
    await bench.restart();
    expect((await bench.client.listEndpoints()).length).toBe(2);
  });

  it('gone with its namespace while no agent runs: the endpoint goes at the restart', async () => {
    const { path, id } = await attachBrief();
    await bench.agent.stop('SIGKILL');
    deleteNamespace(path);
    await bench.restart();
    await expect.poll(async () => (await bench.client.listEndpoints()).map((endpoint) => endpoint.id), { timeout: 10_000 }).not.toContain(id);
    await expect.poll(async () => (await bench.client.listBpfEndpoints()).length, { timeout: 5000 }).toBe(2);
  });
});
