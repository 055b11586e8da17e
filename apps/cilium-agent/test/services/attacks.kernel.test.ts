import type { PacketSocket } from '@cilium-ts/netlink';
import { writeSysctl } from '@cilium-ts/netlink';
import { ethernet, packet, payload, tcp, udp } from '@cilium-ts/testkit';
import type { Layer } from '@cilium-ts/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FAMILIES, ip, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { CLIENT, frontend, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

const [LOCAL, REMOTE, SELF] = [1, 2, 3];
const LOOPBACK = { 4: '169.254.42.1', 6: '100::a9fe:2a01' } as const;
let cluster: Cluster;
let here: Server;
let there: Server;
let wire: PacketSocket;
let macs: { readonly node: string; readonly outside: string };

const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: locked}
spec:
  endpointSelector: {matchLabels: {app: here}}
  ingress:
    - fromCIDR: [${CLIENT[4]}/32, ${CLIENT[6]}/128]
`;

beforeAll(async () => {
  cluster = await openCluster('svc-attacks');
  const [first, second] = cluster.members;
  [here, there] = [await first.pod('here'), await second.pod('there')];
  await cluster.services([serviceOf('here', LOCAL, [[here, 'n0']]), serviceOf('there', REMOTE, [[there, 'n1']]), serviceOf('self', SELF, [[here, 'n0']])].join(''));
  for (const { client } of cluster.members) await vi.waitFor(async () => { expect((await client.listBpfServices()).length).toBeGreaterThan(20); }, PATIENCE);
  expect((await first.client.importPolicy(POLICY)).failures).toEqual([]);
  wire = await cluster.outside.frames('to-0');
  macs = { node: (await first.node.netlink.getLink('eth0'))!.mac!.text, outside: (await cluster.outside.netlink.getLink('to-0'))!.mac!.text };
  // The kernel is told to believe everything, so that nothing but the datapath stands in the way.
  for (const device of ['all', 'eth0']) for (const [name, value] of [['rp_filter', 0], ['accept_local', 1]] as const) writeSysctl(`net.ipv4.conf.${device}.${name}`, value, { netns: first.node.netns });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const send = (family: Family, source: string, destination: string, ...layers: readonly Layer[]): boolean => wire.send(packet(ethernet({ source: macs.outside, destination: macs.node }), ip(family, { source, destination }), ...layers));
const uplink = (family: Family): string => (family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6);
/** What was sent before has been dealt with once this arrives: the wire keeps the order. */
const settled = async (family: Family, text: string): Promise<void> => {
  send(family, CLIENT[family], here.address(family), udp({ sourcePort: 999, destinationPort: 8080 }), payload(text));
  // More than once: the pod's echo finds nobody, and the error that says so quotes it.
  await expect.poll(() => here.tap.count(text), { timeout: PATIENCE }).toBeGreaterThan(0);
};

describe.each(FAMILIES)('IPv%i', (family) => {
  it('a NodePort is reached in the name of nobody of this node', async () => {
    for (const source of [uplink(family), here.address(family)]) {
      for (const number of [LOCAL, REMOTE]) send(family, source, uplink(family), udp({ sourcePort: 4000, destinationPort: 30_000 + number }), payload(`own-${family}`));
    }
    await settled(family, `own-end-${family}`);
    // By way of the other node as well: what would have got through, got through before this.
    expect((await cluster.client.udp({ address: uplink(family), port: 30_000 + REMOTE, timeoutMs: 5000 })).outcome).toBe('ok');
    expect([here.tap.count(`own-${family}`), there.tap.count(`own-${family}`)]).toEqual([0, 0]);
  });

  it('policy holds for who comes by way of a service', async () => {
    for (const port of [30_000 + LOCAL]) send(family, family === 4 ? '203.0.113.20' : '2001:db8:113::20', uplink(family), udp({ sourcePort: 4001, destinationPort: port }), payload(`stranger-${family}`));
    await settled(family, `stranger-end-${family}`);
    expect(here.tap.count(`stranger-${family}`)).toBe(0);
  });

  it('the address that pods see themselves by is believed from nobody, within a conversation of a pod with itself neither', async () => {
    const port = 41_000 + family;
    const flow = await here.probe.startFlow({ kind: 'tcp', address: frontend('ClusterIP', SELF, family), port: 80, intervalMs: 20, localPort: port });
    await expect.poll(async () => (await flow.stats()).received, { timeout: PATIENCE }).toBeGreaterThan(2);
    const attempts = [tcp({ sourcePort: port, destinationPort: 8080, flags: ['ack'] }), tcp({ sourcePort: port, destinationPort: 8080, flags: ['rst'] }), tcp({ sourcePort: port, destinationPort: 8080, flags: ['syn'] }), udp({ sourcePort: 5, destinationPort: 8080 })];
    for (const layer of attempts) send(family, LOOPBACK[family], here.address(family), layer, payload(`mirror-${family}`));
    await settled(family, `mirror-end-${family}`);
    expect(here.tap.count(`mirror-${family}`)).toBe(0);
    const { received } = await flow.stats();
    await expect.poll(async () => (await flow.stats()).received, { timeout: PATIENCE }).toBeGreaterThan(received);
    expect((await flow.stop()).broken).toBeUndefined();
  });
});
