import { ifIndex } from '@cilium-ts/netlink';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allowIngress, openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

const RANGES = [['-4', '10.244.0.0/16'], ['-6', 'fd00:10:244::/64']] as const;

let bench: Bench;
let web: AttachedPod;
let client: AttachedPod;
let stranger: AttachedPod;
beforeAll(async () => {
  bench = await openBench('repair', { flags: ['--reconcile-interval=1'] });
  [web, client, stranger] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('stranger')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
  await bench.policy('web.yaml', allowIngress('web', 'web', 'client', 80));
  await vi.waitFor(async () => { expect(await tcp(stranger, web.ipv4)).toBe('timeout'); }, { timeout: 5000 });
});
afterAll(() => bench[Symbol.asyncDispose]());

const device = () => web.endpoint.status.networking['interface-name'];
const onNode = (...command: [string, ...string[]]) => bench.node.exec(...command);
const becomes = (what: () => Promise<unknown>, expected: unknown) => expect.poll(what, { timeout: 5000, interval: 20 }).toEqual(expected);
const controller = async (kind: string) => (await bench.client.healthz()).controllers.find(({ name }) => name === `reconcile-${kind}`)?.status;
const kernelPart = async () => (await bench.client.healthz()).parts['kernel'];
const repaired = async (kind: string) => Number(new RegExp(`${kind}: \\d+ kept, (\\d+) repaired`).exec((await kernelPart())?.msg ?? '')?.[1]);

const policyHolds = async () => {
  for (const address of [web.ipv4, web.ipv6]) expect([await tcp(client, address), await tcp(stranger, address)]).toEqual(['ok', 'timeout']);
};

describe('what others take away from the kernel', () => {
  it('nothing taken: everything is kept, and nothing is repaired', async () => {
    await becomes(async () => (await kernelPart())?.msg, 'endpoint-filters: 3 kept, 0 repaired; endpoint-routes: 8 kept, 0 repaired; masquerade: 1 kept, 0 repaired');
    const passes = (await controller('endpoint-filters'))!['success-count'];
    await expect.poll(async () => (await controller('endpoint-filters'))!['success-count'], { timeout: 5000 }).toBeGreaterThan(passes);
    expect(await kernelPart()).toMatchObject({ state: 'Ok' });
  });

  it("an endpoint's routes come back, and the node reaches it again", async () => {
    const before = await repaired('endpoint-routes');
    const routes = async () => [await onNode('ip', 'route', 'show', web.ipv4), await onNode('ip', '-6', 'route', 'show', web.ipv6)];
    const original = await routes();
    await onNode('ip', 'route', 'del', web.ipv4);
    await onNode('ip', '-6', 'route', 'del', web.ipv6);
    await becomes(routes, original);
    await becomes(() => repaired('endpoint-routes'), before + 2);
    await policyHolds();
  });

  it('the unreachable routes of the ranges come back', async () => {
    for (const [family, range] of RANGES) {
      const show = () => onNode('ip', family, 'route', 'show', 'type', 'unreachable', range);
      const original = await show();
      expect(original).toContain(range);
      await onNode('ip', family, 'route', 'del', 'unreachable', range);
      await becomes(show, original);
    }
  });

  it('a route of somebody else in its place stays and is reported, until it is gone', async () => {
    const route = () => onNode('ip', 'route', 'show', web.ipv4);
    const original = await route();
    await onNode('ip', 'route', 'replace', 'blackhole', web.ipv4);
    await becomes(async () => (await kernelPart())?.state, 'Warning');
    expect(await kernelPart()).toMatchObject({ msg: expect.stringContaining('not made by this agent') as string });
    expect((await controller('endpoint-routes'))?.['last-failure-msg']).toContain(web.ipv4);
    expect(await route()).toContain('blackhole');
    await onNode('ip', 'route', 'del', 'blackhole', web.ipv4);
    await becomes(route, original);
    await becomes(async () => (await kernelPart())?.state, 'Ok');
  });

  it.each(['delete table inet cilium', 'flush table inet cilium', 'flush ruleset'])('nft %s: the masquerade rules come back', async (command) => {
    const list = () => onNode('nft', 'list', 'ruleset');
    const original = await list();
    expect(original).toContain('masquerade');
    await onNode('nft', command);
    await becomes(list, original);
  });

  it.each([
    ['the filter towards the pod', () => ['filter', 'del', 'dev', device(), 'egress']],
    ["the filter of the pod's packets", () => ['filter', 'del', 'dev', device(), 'ingress']],
    ['clsact with all filters', () => ['qdisc', 'del', 'dev', device(), 'clsact']],
  ])('%s: comes back, and policy holds', async (_, command) => {
    const before = await repaired('endpoint-filters');
    await onNode('tc', ...command());
    await becomes(() => repaired('endpoint-filters'), before + 1);
    await policyHolds();
  });

  it("an endpoint that is deleted is not brought back, and others' filters and routes stay", async () => {
    const other = await bench.pod('other');
    const index = ifIndex((await bench.node.netlink.getLink(other.endpoint.status.networking['interface-name']))!.index);
    await onNode('tc', 'filter', 'add', 'dev', device(), 'ingress', 'pref', '77', 'bpf', 'da', 'bytecode', '1,6 0 0 4294967295');
    await onNode('ip', 'route', 'add', 'blackhole', '192.0.2.0/24');
    await bench.client.deleteEndpoint(other.id);
    const passes = (await controller('endpoint-routes'))!['success-count'];
    await expect.poll(async () => (await controller('endpoint-routes'))!['success-count'], { timeout: 5000 }).toBeGreaterThan(passes + 1);
    expect(await bench.node.netlink.getLink(index)).toBeUndefined();
    expect(await onNode('ip', 'route', 'show', other.ipv4)).toBe('');
    expect(await onNode('tc', 'filter', 'show', 'dev', device(), 'ingress')).toContain('pref 77');
    expect(await onNode('ip', 'route', 'show', '192.0.2.0/24')).toContain('blackhole');
    expect((await kernelPart())?.msg).toMatch(/^endpoint-filters: 3 kept, .*endpoint-routes: 8 kept/);
  });
});

describe('without waiting for the next look at everything', () => {
  it('filters and routes come back within a second', async () => {
    await bench.restart({ flags: ['--reconcile-interval=3600'] });
    await becomes(async () => (await controller('endpoint-filters'))?.['success-count'], 1);
    await onNode('tc', 'qdisc', 'del', 'dev', device(), 'clsact');
    await onNode('ip', 'route', 'del', web.ipv4);
    await expect.poll(async () => [await repaired('endpoint-filters'), await repaired('endpoint-routes')], { timeout: 1000, interval: 10 }).toEqual([1, 1]);
    expect((await controller('endpoint-filters'))?.['success-count']).toBe(1);
    await policyHolds();
  });
});
