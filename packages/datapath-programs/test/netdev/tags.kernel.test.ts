import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { openNamespace } from '@cilium-ts/netlink';
import { createTestbed, type Outside, type Probe, type Testbed } from '@cilium-ts/testbed';
import { attachTc, createClsact, openObject, type BpfObject } from 'libbpf-napi';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listen, openLiveNode, type LiveNode } from './live-node.ts';

const FAMILIES = [{ family: 4 }, { family: 6 }] as const;
/** Class of service 5: a tag need not be all 0. */
const PRIORITY = 5 << 13;
let folder: string;
let testbed: Testbed;
let outside: Outside;
let one: LiveNode;
let two: LiveNode;
let client: Probe;
let tagger: BpfObject;

/** Packets of the outside that go to the first node have a tag. */
async function openTagger(value: number): Promise<BpfObject> {
  const object = join(folder, 'tag.o');
  const include = ['/usr/include/x86_64-linux-gnu', '/usr/include/aarch64-linux-gnu'].filter((path) => existsSync(path)).map((path) => `-I${path}`);
  execFileSync('clang', ['-g', '-O2', '-target', 'bpf', '-mcpu=v3', ...include, '-c', fileURLToPath(new URL('tag.bpf.c', import.meta.url)), '-o', object]);
  const loaded = await openObject(object).setConfig('tag', value).load();
  const { index } = (await outside.netlink.getLink(`to-${one.node.index}`))!;
  using netns = openNamespace(outside.netns);
  netns.run(() => {
    createClsact(index);
    attachTc({ ifindex: index, direction: 'egress', program: loaded.program('put_tag'), replace: true });
  });
  return loaded;
}

const tagged = (): number => Buffer.from(tagger.map('.bss').lookup(Uint8Array.of(0, 0, 0, 0))!).readUInt32LE();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ct-tags-'));
  testbed = createTestbed({ name: 'tags' });
  outside = await testbed.createOutside();
  one = await openLiveNode(testbed, outside, { name: 'one', pods: 1 });
  two = await openLiveNode(testbed, outside, { name: 'two', pods: 1 });
  for (const prefix of [`10.${two.node.index + 1}.0.0/24`, `fd00:${two.node.index + 1}::/64`]) await outside.route(prefix, two.node);
  const behind = await testbed.createNode('client');
  await outside.connect(behind);
  client = await behind.probe();
  for (const pod of [...one.pods, ...two.pods]) await listen(pod.place, 8080);
  for (const { services } of [one, two]) {
    for (const { family } of FAMILIES) {
      const [local, remote] = family === 4 ? [one.pods[0]!.ipv4, two.pods[0]!.ipv4] : [one.pods[0]!.ipv6, two.pods[0]!.ipv6];
      for (const protocol of [6, 17]) {
        services.addService({ port: 30_080, protocol, backends: [{ address: local, port: 8080 }] });
        services.addService({ port: 30_081, protocol, backends: [{ address: remote, port: 8080 }] });
        services.addService({ port: 30_082, protocol, flags: SERVICE_FLAG.DSR, backends: [{ address: remote, port: 8080 }] });
        services.addService({ port: 30_083, protocol, family, backends: [] });
      }
    }
  }
});
afterAll(async () => {
  tagger?.close();
  await one?.close();
  await two?.close();
  await testbed.close();
  rmSync(folder, { recursive: true });
});

const nodeAddress = (family: 4 | 6): string => (family === 4 ? one.uplink.nodeIpv4 : one.uplink.nodeIpv6);

describe.each([{ what: 'identifier 0', value: 0 }, { what: 'identifier 0 and a priority', value: PRIORITY }])('frames of no VLAN: $what', ({ value }) => {
  beforeEach(async () => {
    tagger?.close();
    tagger = await openTagger(value);
  });

  test.each(FAMILIES)('clients reach services as without a tag, IPv$family', async ({ family }) => {
    const address = nodeAddress(family);
    for (const port of [30_080, 30_081, 30_082]) {
      expect([port, await client.connect({ address, port, payload: 'x'.repeat(20_000), timeoutMs: 8000 })]).toMatchObject([port, { outcome: 'ok' }]);
      expect([port, await client.udp({ address, port, timeoutMs: 8000 })]).toMatchObject([port, { outcome: 'ok' }]);
    }
    expect(await client.connect({ address, port: 30_083, timeoutMs: 8000 })).toMatchObject({ outcome: 'refused' });
    expect(await client.udp({ address, port: 30_083, timeoutMs: 8000 })).toMatchObject({ outcome: 'refused' });
    expect(tagged()).toBeGreaterThan(10);
  });

  test.each(FAMILIES)('pods that are masqueraded get their answers, IPv$family', async ({ family }) => {
    await listen(outside, 9000, outside.addresses);
    const address = outside.addresses.find((each) => each.includes(':') === (family === 6))!;
    const pod = await one.pods[0]!.place.probe();
    expect(await pod.connect({ address, port: 9000, payload: 'x'.repeat(20_000), timeoutMs: 8000 })).toMatchObject({ outcome: 'ok' });
    expect(await pod.udp({ address, port: 9000, timeoutMs: 8000 })).toMatchObject({ outcome: 'ok' });
    expect(tagged()).toBeGreaterThan(5);
    await (await outside.probe()).unlisten({ protocol: 'tcp', port: 9000 });
    await (await outside.probe()).unlisten({ protocol: 'udp', port: 9000 });
  });
});

test.each(FAMILIES)('frames of a VLAN are none of an untagged device’s: nothing is translated, IPv$family', async ({ family }) => {
  tagger?.close();
  tagger = await openTagger(PRIORITY | 7);
  const before = one.programs.dumpNat().length;
  for (const port of [30_080, 30_081]) expect(await client.udp({ address: nodeAddress(family), port, timeoutMs: 500 })).toMatchObject({ outcome: 'timeout' });
  expect(tagged()).toBeGreaterThanOrEqual(2);
  expect(one.programs.dumpNat().length).toBe(before);
});
