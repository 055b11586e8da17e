import type { ServiceRequest } from '@cilium-ts/agent-api';
import { parseIp } from '@cilium-ts/core';
import { writeSysctl } from '@cilium-ts/netlink';
import type { Outside, Uplink } from '@cilium-ts/testbed';
import { afterEach, describe, expect, it } from 'vitest';
import { openBench, refusal } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let outside: Outside;
let uplink: Uplink;
let one: AttachedPod;
let two: AttachedPod;
afterEach(() => bench[Symbol.asyncDispose]());

const open = async (...flags: string[]): Promise<void> => {
  bench = await openBench('outside', { flags: ['--node-name=me', ...flags] });
  outside = await bench.testbed.createOutside();
  uplink = await outside.connect(bench.node);
  [one, two] = [await bench.pod('one', ['app=web']), await bench.pod('two', ['app=web'])];
  for (const pod of [one, two]) for (const protocol of ['tcp', 'udp'] as const) await pod.probe.listen({ protocol, port: 8080 });
};
const request = (ip: string, port: number, pods: readonly AttachedPod[], more: Partial<ServiceRequest['frontend-address']> & { readonly flags?: ServiceRequest['flags'] } = {}): ServiceRequest => {
  const { flags, ...frontend } = more;
  return { 'frontend-address': { ip, port, ...frontend }, 'backend-addresses': pods.map(({ ipv4, ipv6 }) => ({ ip: ip.includes(':') ? ipv6 : ipv4, port: 8080 })), ...(flags && { flags }) };
};
/** From outside. The programs may not be on the device yet that has just come. */
const reach = async (address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<string> => {
  const probe = await outside.probe();
  return (await (protocol === 'tcp' ? probe.connect({ address, port, timeoutMs: 500 }) : probe.udp({ address, port, timeoutMs: 500 }))).outcome;
};
const becomes = (act: () => Promise<string>, outcome: string) => expect.poll(act, { timeout: 10_000, interval: 50 }).toBe(outcome);

describe('a service for clients outside', () => {
  it('has its NodePort on the node, by both families and protocols, while the agent runs or not', async () => {
    await open('--kube-proxy-replacement');
    await bench.client.putService(1, request('0.0.0.0', 30_080, [one, two], { flags: { type: 'NodePort' } }));
    await bench.client.putService(2, request('::', 30_080, [one, two], { flags: { type: 'NodePort' } }));
    await bench.client.putService(3, request('0.0.0.0', 30_053, [one, two], { protocol: 'UDP', flags: { type: 'NodePort' } }));
    const all = async () => [await reach(uplink.nodeIpv4, 30_080), await reach(uplink.nodeIpv6, 30_080), await reach(uplink.nodeIpv4, 30_053, 'udp')];
    await expect.poll(all, { timeout: 10_000 }).toEqual(['ok', 'ok', 'ok']);
    await bench.agent.stop('SIGKILL');
    expect(await all()).toEqual(['ok', 'ok', 'ok']);
    await bench.restart();
    expect(await all()).toEqual(['ok', 'ok', 'ok']);
    // Without the setting the programs go.
    await bench.restart({ flags: ['--node-name=me'] });
    expect(await all()).not.toContain('ok');
  });

  it('is reached by its own address, by those whom its source ranges let in', async () => {
    await open('--kube-proxy-replacement');
    await outside.route('203.0.113.99/32', bench.node);
    const put = (sourceRanges?: string[]) => bench.client.putService(1, request('203.0.113.99', 80, [one], { flags: { type: 'LoadBalancer', ...(sourceRanges && { sourceRanges }) } }));
    await put();
    await becomes(() => reach('203.0.113.99', 80), 'ok');
    // Other ports of a known address are nobody's.
    expect(await reach('203.0.113.99', 81)).not.toBe('ok');
    await put([`${uplink.outsideIpv4}/32`]);
    expect(await reach('203.0.113.99', 80)).toBe('ok');
    await put(['198.18.0.0/15']);
    expect(await reach('203.0.113.99', 80)).not.toBe('ok');
  });

  it('with externalTrafficPolicy Local tells load balancers whether there is a backend here', async () => {
    await open('--kube-proxy-replacement');
    const put = (pods: readonly AttachedPod[]) =>
      bench.client.putService(1, request('0.0.0.0', 30_080, pods, { flags: { type: 'NodePort', name: 'web', namespace: 'shop', extTrafficPolicy: 'Local', healthCheckNodePort: 32_100 } }));
    const check = async () => {
      const status = await bench.node.exec(process.execPath, '-e', "fetch('http://127.0.0.1:32100/').then(({ status }) => { console.log(status); process.exit(); }, () => { console.log('closed'); process.exit(); });");
      return status.trim();
    };
    await put([one]);
    await becomes(check, '200');
    await becomes(() => reach(uplink.nodeIpv4, 30_080), 'ok');
    await put([]);
    await becomes(check, '503');
    expect(await reach(uplink.nodeIpv4, 30_080)).not.toBe('ok');
    await bench.client.deleteService(1);
    await becomes(check, 'closed');
  });
});

describe('load balancing before the stack', () => {
  it.each(['native', 'generic', 'best-effort'])('in %s mode serves clients outside, and goes when it is switched off', async (mode) => {
    await open('--kube-proxy-replacement', `--bpf-lb-acceleration=${mode}`);
    const attached = async () => /xdp/.test(await bench.node.exec('ip', 'link', 'show', uplink.device));
    await bench.client.putService(1, request('0.0.0.0', 30_080, [one, two], { flags: { type: 'NodePort' } }));
    await becomes(() => reach(uplink.nodeIpv4, 30_080), 'ok');
    expect(await attached()).toBe(true);
    await bench.restart({ flags: ['--node-name=me', '--kube-proxy-replacement'] });
    expect(await attached()).toBe(false);
    expect(await reach(uplink.nodeIpv4, 30_080)).toBe('ok');
  });
});

describe('the prefilter', () => {
  it('drops what is on its list, under a lock of revisions, and survives a restart', async () => {
    await open('--enable-xdp-prefilter');
    const node = await bench.node.probe();
    await node.listen({ protocol: 'tcp', port: 8000 });
    const both = async () => [await reach(uplink.nodeIpv4, 8000), await reach(uplink.nodeIpv6, 8000)];
    await expect.poll(both).toEqual(['ok', 'ok']);
    await expect.poll(async () => /xdp/.test(await bench.node.exec('ip', 'link', 'show', uplink.device))).toBe(true);
    const first = await bench.client.addPrefilter({ deny: [uplink.outsideIpv4, 'fd00:c1::/32'] });
    expect(first.status.realized.deny).toEqual([`${uplink.outsideIpv4}/32`, 'fd00:c1::/32']);
    expect(await both()).toEqual(['timeout', 'timeout']);
    expect(await refusal(bench.client.addPrefilter({ deny: ['198.18.0.0/15'], revision: first.status.realized.revision - 1 }))).toMatchObject({ status: 409, message: expect.stringMatching(/the revision is \d+, not/) });
    expect(await refusal(bench.client.removePrefilter({ deny: ['198.18.0.0/15'] }))).toMatchObject({ status: 404 });
    expect(await refusal(bench.client.addPrefilter({ deny: ['198.18'] }))).toMatchObject({ status: 400, message: expect.stringMatching(/deny\[0\]/) });
    await bench.restart();
    expect(await both()).toEqual(['timeout', 'timeout']);
    expect(await bench.client.getPrefilter()).toEqual(first);
    await bench.client.removePrefilter({ deny: ['fd00:c1::/32'], revision: first.status.realized.revision });
    expect(await both()).toEqual(['timeout', 'ok']);
    await bench.restart({ flags: ['--node-name=me'] });
    expect(await both()).toEqual(['ok', 'ok']);
    expect(await refusal(bench.client.getPrefilter())).toMatchObject({ status: 503, message: expect.stringMatching(/--enable-xdp-prefilter/) });
  });
});

describe('probing', () => {
  it('quarantines a backend that does not answer, and restores it', async () => {
    await open('--bpf-lb-health-interval=100ms', '--bpf-lb-health-timeout=200ms');
    const client = await bench.pod('client');
    const states = async () => (await bench.client.getService(1)).status.realized['backend-addresses'].map(({ state }) => state).join();
    await bench.client.putService(1, request('10.96.0.1', 80, [one, two], { flags: { healthCheck: { kind: 'tcp' } } }));
    await becomes(states, 'active,active');
    await one.probe.unlisten({ protocol: 'tcp', port: 8080 });
    await becomes(states, 'quarantined,active');
    for (let at = 0; at < 5; at++) expect((await client.probe.connect({ address: '10.96.0.1', port: 80 })).outcome).toBe('ok');
    await one.probe.listen({ protocol: 'tcp', port: 8080 });
    await becomes(states, 'active,active');
  });
});

describe('masquerade in eBPF', () => {
  const FAR = { 4: '198.51.100.10', 6: '2001:db8:51::10' } as const;
  const listen = async () => (await outside.probe()).listen({ protocol: 'tcp', port: 443, addresses: [FAR[4], FAR[6]] });
  /** Who the outside is connected to. */
  const peers = async () => [...new Set((await outside.exec('ss', '-Htn', 'state', 'established', 'sport = :443')).trim().split('\n').filter((line) => line !== '').map((line) => line.trim().split(/\s+/)[3]!.replace(/:\d+$/, '')))].sort();
  const table = async () => (await bench.node.exec('nft', 'list', 'tables')).includes('cilium');
  const rules = async () => (await bench.node.exec('nft', 'list', 'table', 'inet', 'cilium')).includes('masquerade');

  it('gives packets that leave the address of the node', async () => {
    await open('--enable-bpf-masquerade');
    await listen();
    expect(await table()).toBe(false);
    const flows = [];
    for (const address of [FAR[4], FAR[6]]) {
      await becomes(async () => (await one.probe.connect({ address, port: 443, timeoutMs: 500 })).outcome, 'ok');
      flows.push(await one.probe.startFlow({ kind: 'tcp', address, port: 443, intervalMs: 5 }));
    }
    await expect.poll(peers).toEqual([uplink.nodeIpv4, `[${parseIp(uplink.nodeIpv6)!.text}]`]);
    expect((await bench.client.healthz()).masquerading).toMatchObject({ enabled: true, mode: 'BPF' });
    for (const flow of flows) expect((await flow.stop()).missing).toBe(0);
  });

  it('takes over from nftables without cutting a connection', async () => {
    await open();
    await listen();
    // What has ended is forgotten soon.
    for (const state of ['close', 'time_wait', 'last_ack', 'close_wait', 'fin_wait']) writeSysctl(`net.netfilter.nf_conntrack_tcp_timeout_${state}`, 1, { netns: bench.node.netns });
    const old = await one.probe.startFlow({ kind: 'tcp', address: FAR[4], port: 443, intervalMs: 5 });
    await expect.poll(async () => (await old.stats()).received).toBeGreaterThan(5);
    expect(await rules()).toBe(true);
    await bench.restart({ flags: ['--enable-bpf-masquerade'] });
    expect([await table(), await rules()]).toEqual([true, false]);
    expect((await bench.client.healthz()).masquerading.mode).toBe('BPF (nftables still carries 1 connections)');
    const fresh = await two.probe.startFlow({ kind: 'tcp', address: FAR[4], port: 443, intervalMs: 5 });
    await expect.poll(async () => (await fresh.stats()).received).toBeGreaterThan(5);
    expect(await peers()).toEqual([uplink.nodeIpv4]);
    // A restart in between goes on where it was.
    await bench.restart({ flags: ['--enable-bpf-masquerade'] });
    const [oldStats, freshStats] = [await old.stop(), await fresh.stop()];
    expect([oldStats.missing, oldStats.broken, freshStats.missing, freshStats.broken]).toEqual([0, undefined, 0, undefined]);
    await expect.poll(table, { timeout: 30_000, interval: 200 }).toBe(false);
    expect((await bench.client.healthz()).masquerading.mode).toBe('BPF');
  });

  it('leaves out what the ip-masq file lists', async () => {
    await open();
    const config = `${bench.node.folders.state}/../ip-masq.yaml`;
    await bench.node.exec('sh', '-c', `echo 'nonMasqueradeCIDRs: [${FAR[4]}/32]' > ${config}`);
    await bench.restart({ flags: ['--enable-bpf-masquerade', '--enable-ip-masq-agent', `--ip-masq-agent-config-path=${config}`] });
    await listen();
    await outside.route('10.244.0.0/16', bench.node);
    const flow = await one.probe.startFlow({ kind: 'tcp', address: FAR[4], port: 443, intervalMs: 5 });
    await expect.poll(peers).toEqual([one.ipv4]);
    expect((await flow.stop()).missing).toBe(0);
  });
});
