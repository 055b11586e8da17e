import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, tcp } from '../support/bench.ts';
import type { Bench } from '../support/bench.ts';

let bench: Bench;
beforeEach(async () => { bench = await openBench('life'); });
afterEach(() => bench[Symbol.asyncDispose]());

const serve = async (bench: Bench) => {
  const [web, client, other] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('other')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
  return { web, client, other };
};

describe('endpoint lifecycle', () => {
  it('enforces a policy on real traffic, over both families, before and after a restart, and lets it all go', async () => {
    const { web, client, other } = await serve(bench);
    for (const address of [web.ipv4, web.ipv6]) expect(await tcp(client, address)).toBe('ok');
    const change = await bench.client.importPolicy(allowIngress('web', 'web', 'client', 80), { file: 'web.yaml' });
    expect(change.failures).toEqual([]);
    const matrix = async () => Promise.all([tcp(client, web.ipv4), tcp(client, web.ipv6), tcp(other, web.ipv4), tcp(other, web.ipv6)]);
    expect(await matrix()).toEqual(['ok', 'ok', 'timeout', 'timeout']);
    const before = await bench.client.listEndpoints();
    await bench.restart();
    expect(await matrix()).toEqual(['ok', 'ok', 'timeout', 'timeout']);
    const after = await bench.client.listEndpoints();
    expect(after.map(({ id, status: { identity, state } }) => ({ id, identity, state }))).toEqual(before.map(({ id, status: { identity, state } }) => ({ id, identity, state })));
    await bench.client.deletePolicy({ kind: 'CiliumNetworkPolicy', name: 'web' });
    expect(await matrix()).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it('gives the node access to its endpoints and them to the node', async () => {
    const { client } = await serve(bench);
    const node = await bench.node.probe();
    await node.listen({ protocol: 'tcp', port: 4240 });
    for (const address of ['10.244.0.1', 'fd00:10:244::1']) expect(await tcp(client, address, 4240)).toBe('ok');
    for (const address of [client.ipv4, client.ipv6]) expect((await node.ping({ address, timeoutMs: 500 })).outcome).toBe('ok');
  });

  it('masquerades towards the outside and keeps the address of pods among themselves', async () => {
    const outside = await bench.testbed.createOutside();
    await outside.connect(bench.node);
    const pod = await bench.pod('client');
    const probe = await outside.probe();
    await probe.listen({ protocol: 'tcp', port: 443 });
    for (const address of outside.addresses) expect(await tcp(pod, address, 443)).toBe('ok');
  });

  it('changes identity and policy with the labels', async () => {
    const { web, client, other } = await serve(bench);
    await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
    expect(await tcp(other, web.ipv4)).toBe('timeout');
    const labels = await bench.client.setEndpointLabels(other.id, ['app=client']);
    expect(labels.status['security-relevant']).toContain('k8s:app=client');
    expect(await tcp(other, web.ipv4)).toBe('ok');
    await bench.client.setEndpointLabels(client.id, ['app=stranger']);
    expect(await tcp(client, web.ipv4)).toBe('timeout');
    const { status } = await bench.client.getEndpoint('container-name:other');
    expect(status.state).toBe('ready');
    expect(status.identity?.id).toBe(client.endpoint.status.identity?.id);
  });

  it('deletes: the device is gone, its addresses are free, nothing reaches it', async () => {
    const { web, client } = await serve(bench);
    expect(await tcp(client, web.ipv4)).toBe('ok');
    expect((await bench.client.deleteEndpoint(web.id)).errors).toEqual([]);
    expect(await tcp(client, web.ipv4)).not.toBe('ok');
    expect(await web.pod.netlink.getLink('eth0')).toBeUndefined();
    const again = await bench.client.createEndpoint({ 'container-netns-path': web.pod.netns, 'container-name': 'web', labels: ['app=web'], addressing: { ipv4: web.ipv4, ipv6: web.ipv6 } });
    expect(again.status.identity?.id).toBe(web.endpoint.status.identity?.id);
    expect(await tcp(client, web.ipv4)).toBe('ok');
  });

  it('shows what is in the kernel', async () => {
    const { web, client } = await serve(bench);
    await bench.client.importPolicy(allowIngress('web', 'web', 'client', 80));
    await tcp(client, web.ipv4);
    expect((await bench.client.listBpfEndpoints()).map((entry) => entry['endpoint-id'])).toEqual([1, 2, 3]);
    const entries = await bench.client.listBpfPolicy({ endpoint: web.id });
    expect(entries).toContainEqual(expect.objectContaining({ direction: 'ingress', identity: client.endpoint.status.identity?.id, protocol: 'TCP', ports: '80', action: 'allow' }));
    expect(await bench.client.listBpfFlows()).toContainEqual(expect.objectContaining({ protocol: 'TCP', verdict: 'allowed', destination: expect.objectContaining({ ip: web.ipv4, port: 80 }) }));
    expect(await bench.client.listBpfAddresses()).toContainEqual(expect.objectContaining({ prefix: `${web.ipv4}/32`, kind: 'local', 'endpoint-id': web.id }));
    for (const { name } of await bench.client.listMaps()) expect((await bench.client.getMap(name, { limit: 5 })).name).toBe(name);
    expect((await bench.client.tracePolicy({ from: { endpoint: client.id }, to: { endpoint: web.id }, port: 80 })).verdict).toBe('allowed');
    expect((await bench.client.tracePolicy({ from: { labels: ['app=nobody'] }, to: { endpoint: web.id }, port: 80 })).verdict).toBe('denied');
    expect(await bench.client.metricsText()).toMatch(/cilium_endpoint 3/);
    expect((await bench.client.listMetrics({ match: 'endpoint_state' }))[0]).toMatchObject({ labels: { endpoint_state: 'ready' }, value: 3 });
  });

  it('streams drops with identities and labels', async () => {
    const { web, other } = await serve(bench);
    await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const event of bench.client.monitor({ types: ['drop'] })) {
        // A pod's multicast reports are dropped too, when the kernel likes to send them.
        if (event.type === 'drop' && event.source.ip === other.ipv4) seen.push(event);
        if (seen.length > 0) break;
      }
    })();
    await expect.poll(async () => {
      await tcp(other, web.ipv4);
      return seen.length;
    }, { timeout: 10_000 }).toBeGreaterThan(0);
    await watching;
    expect(seen[0]).toMatchObject({ type: 'drop', reason: 133, direction: 'ingress', protocol: 'TCP', source: { ip: other.ipv4, labels: expect.arrayContaining(['k8s:app=other']) }, destination: { ip: web.ipv4, port: 80, name: 'default/web' } });
  });

  it('cleans up: devices, maps, rules, state and settings are as before', async () => {
    const { node, agent } = bench;
    const { web } = await serve(bench);
    expect((await node.exec('sysctl', '-n', 'net.ipv4.ip_forward')).trim()).toBe('1');
    expect(readdirSync(node.folders.bpf).length).toBeGreaterThan(0);
    await agent.stop();
    const flags = [`--state-dir=${node.folders.state}`, `--bpf-root=${node.folders.bpf}`, `--socket-path=${node.folders.socket}`];
    await node.exec(process.execPath, new URL('../../dist/main.js', import.meta.url).pathname, 'cleanup', ...flags);
    expect((await node.netlink.listLinks()).map(({ name }) => name)).toEqual(['lo']);
    expect(await web.pod.netlink.getLink('eth0')).toBeUndefined();
    expect((await node.exec('sysctl', '-n', 'net.ipv4.ip_forward')).trim()).toBe('0');
    expect((await node.exec('sysctl', '-n', 'net.ipv6.conf.all.forwarding')).trim()).toBe('0');
    expect(await node.exec('nft', 'list', 'ruleset')).toBe('');
    // The kernel itself puts these two into a new bpffs.
    expect(readdirSync(node.folders.bpf).filter((name) => !name.endsWith('.debug'))).toEqual([]);
    expect(existsSync(node.folders.state)).toBe(false);
  });
});
