import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBench, refusal } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let first: AttachedPod;
beforeAll(async () => {
  bench = await openBench('bad', { flags: ['--ipv4-range=10.9.0.0/29'] });
  first = await bench.pod('first');
});
afterAll(() => bench[Symbol.asyncDispose]());

/** Nothing of a refused endpoint may be left: no device on either side, no record, no address, no slot. */
const expectNothingLeft = async () => {
  expect((await bench.node.netlink.listLinks()).filter(({ name }) => name.startsWith('lxc')).length).toBe(1);
  expect(readdirSync(`${bench.node.folders.state}/endpoints`)).toEqual([`${first.id}.json`]);
  expect((await bench.client.listEndpoints()).map(({ id }) => id)).toEqual([first.id]);
  expect((await bench.client.healthz()).ipam.ipv4.length).toBe(2);
  expect((await bench.client.listBpfEndpoints()).length).toBe(1);
};

describe('creating an endpoint is refused with a clear error', () => {
  it.each([
    ['a missing namespace', { 'container-netns-path': '/run/netns/nowhere' }, 400, /no network namespace \/run\/netns\/nowhere/],
    ['a namespace name nobody has', { 'container-netns-path': 'nowhere-at-all' }, 400, /no network namespace \/run\/netns\/nowhere-at-all/],
    ['a path that is no namespace', { 'container-netns-path': '/etc/passwd' }, 400, /not a network namespace/],
    ['a label of the agent’s own', { labels: ['reserved:host'] }, 400, /given by the agent only/],
    ['a label without key', { labels: ['=x'] }, 400, /label/],
    ['a key given twice', { labels: ['a=1', 'a=2'] }, 400, /key a is given twice/],
    ['a broken address', { addressing: { ipv4: '10.9.0.300' } }, 400, /addressing.ipv4 is "10.9.0.300"/],
    ['a multicast address', { addressing: { ipv6: 'ff02::1' } }, 400, /multicast/],
    ['the network address', { addressing: { ipv4: '10.9.0.0' } }, 400, /first or last address/],
    ['a taken address', { addressing: { ipv4: '10.9.0.2' } }, 409, /10.9.0.2 is taken by endpoint 1/],
    ["the node's own address", { addressing: { ipv6: 'fd00:10:244::1' } }, 409, /taken by the node/],
    ['a multicast MAC address', { mac: '01:00:5e:00:00:01' }, 400, /no single device can have/],
    ['an unknown option', { options: { Turbo: 'Enabled' } }, 400, /no option Turbo/],
    ['an id in use', { id: 1 }, 409, /there is an endpoint 1 already/],
    ['a name in use', { 'container-name': 'first' }, 409, /has the name default\/first already/],
    ['an MTU that is too small', { mtu: 9 }, 400, /read request: mtu: the number 9 is not accepted \(use at least 1280\)/],
    ['an interface name that is too long', { 'container-interface-name': 'interface-name-x' }, 400, /15 characters/],
  ])('%s', async (name, change, status, message) => {
    const pod = await bench.node.createPod(`p${name.replaceAll(/[^a-z]/gi, '')}`.slice(0, 40));
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': pod.netns, labels: ['app=x'], ...change }));
    expect(error.message).toMatch(message);
    expect(error.status).toBe(status);
    expect(await pod.netlink.getLink('eth0')).toBeUndefined();
    await expectNothingLeft();
  });

  it("the node's own namespace", async () => {
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': bench.node.netns, labels: ['app=x'] }));
    expect(error).toMatchObject({ status: 400, message: expect.stringContaining("is the node's own") });
    await expectNothingLeft();
  });

  it('the namespace of another endpoint', async () => {
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': first.pod.netns, labels: ['app=x'] }));
    expect(error).toMatchObject({ status: 409, message: expect.stringContaining(`belongs to endpoint ${first.id} already`) });
    await expectNothingLeft();
  });

  it('a foreign device in the namespace', async () => {
    const pod = await bench.node.createPod('occupied');
    await pod.netlink.createVeth({ name: 'eth0', peer: { name: 'other' } });
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': pod.netns, labels: ['app=x'] }));
    expect(error).toMatchObject({ status: 409, reason: 'foreign-device', message: expect.stringMatching(/has a device eth0 already/) });
    expect(await pod.netlink.getLink('eth0')).toBeDefined();
    await expectNothingLeft();
  });

  it('a foreign device on the node', async () => {
    const pod = await bench.node.createPod('clash');
    await bench.node.netlink.createVeth({ name: 'mine', peer: { name: 'mine2' } });
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': pod.netns, labels: ['app=x'], 'interface-name': 'mine' }));
    expect(error.message).toMatch(/the node has a device mine already/);
    expect(await bench.node.netlink.getLink('mine')).toBeDefined();
    await expectNothingLeft();
  });

  it('no address left', async () => {
    const made: number[] = [];
    for (let at = 0; at < 4; at++) made.push((await bench.pod(`fill${at}`)).id);
    const pod = await bench.node.createPod('toomany');
    const error = await refusal(bench.client.createEndpoint({ 'container-netns-path': pod.netns, labels: ['app=x'] }));
    expect(error).toMatchObject({ status: 500, reason: 'exhausted', message: expect.stringContaining('no address of 10.9.0.0/29 is free') });
    for (const id of made) await bench.client.deleteEndpoint(id);
    await expectNothingLeft();
  });
});

describe('other requests', () => {
  it('names what it does not find', async () => {
    expect(await refusal(bench.client.getEndpoint(99))).toMatchObject({ status: 404 });
    expect(await refusal(bench.client.getEndpoint('colour:red'))).toMatchObject({ status: 400 });
    expect(await refusal(bench.client.deletePolicy({ kind: 'NetworkPolicy', name: 'none' }))).toMatchObject({ status: 404 });
    expect(await refusal(bench.client.getMap('none'))).toMatchObject({ status: 404 });
    expect(await refusal(bench.client.patchConfig({ options: { Speed: 'Enabled' } }))).toMatchObject({ status: 400 });
  });

  it('refuses a policy as a whole, with line and field', async () => {
    const revision = (await bench.client.getPolicy()).revision;
    const error = await refusal(bench.client.importPolicy('apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec:\n  endpointSelector: {}\n  egress: [{toFQDNs: [{matchName: a.b}]}]\n', { file: 'x.yaml' }));
    expect(error).toMatchObject({ status: 400, reason: 'policy-invalid' });
    expect(error.issues[0]).toMatchObject({ file: 'x.yaml', line: 6, severity: 'error', field: expect.stringContaining('toFQDNs') });
    expect((await bench.client.getPolicy()).revision).toBe(revision);
  });
});
