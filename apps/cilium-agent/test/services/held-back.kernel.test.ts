import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseIp } from '@cilium-ts/core';
import type { Flow, Probe } from '@cilium-ts/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { frontend, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

const [SHUT, OPEN] = [1, 2];
const LONG = { timeout: PATIENCE };

let cluster: Cluster;
let shut: Server;
let open: Server;
let client: Server;
let services: string;

/** Nobody reaches the one but a pod that is not there; everybody the other. */
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: shut}
spec:
  endpointSelector: {matchLabels: {app: shut}}
  ingress: [{fromEndpoints: [{matchLabels: {app: nobody}}]}]
`;

beforeAll(async () => {
  cluster = await openCluster('svc-held', ['--bpf-lb-sock-hostns-only', '--allow-localhost=policy']);
  const [first] = cluster.members;
  [shut, open, client] = [await first.pod('shut'), await first.pod('open'), await first.pod('client')];
  expect((await first.client.importPolicy(POLICY)).failures).toEqual([]);
  services = [serviceOf('shut', SHUT, [[shut, 'n0']]), serviceOf('open', OPEN, [[open, 'n0']])].join('');
});
afterAll(() => cluster[Symbol.asyncDispose]());

const node = (family: Family): string => parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;

/** Everybody asks for both, all the time: a pod, a process of the node, a client outside. */
const hammer = async (): Promise<{ readonly shut: Flow[]; readonly open: Flow[] }> => {
  const host = await cluster.members[0].node.probe();
  const ways = (number: number, family: Family): readonly (readonly [Probe, string, number])[] => [
    [client.probe, frontend('ClusterIP', number, family), 80], [client.probe, node(family), 30_000 + number],
    [host, frontend('ClusterIP', number, family), 80], [cluster.client, node(family), 30_000 + number],
  ];
  const start = (number: number) => Promise.all(FAMILIES.flatMap((family) => ways(number, family).flatMap(([probe, address, port]) =>
    (['connections', 'datagrams'] as const).map((kind) => probe.startFlow({ kind, address, port, intervalMs: 100, timeoutMs: 500 })))));
  return { shut: await start(SHUT), open: await start(OPEN) };
};

/** What came into the pod by its device for the port that it listens on. */
const arrived = ({ tap }: Server): number => tap.frames().filter((bytes) => Buffer.from(bytes).includes(Buffer.from([8080 >> 8, 8080 & 255]))).length;
const grows = async (flows: readonly Flow[]): Promise<void> => {
  const before = await Promise.all(flows.map(async (flow) => (await flow.stats()).received));
  await expect.poll(async () => Math.min(...(await Promise.all(flows.map(async (flow, at) => (await flow.stats()).received - before[at]!)))), LONG).toBeGreaterThan(3);
};

describe('a backend that policy closes, asked for by way of its service without a pause', () => {
  it.each([
    ['services come while the agent runs', async () => { await cluster.members[0].services(services); }],
    ['the agent is killed, and started again', async () => { await cluster.members[0].restart({ signal: 'SIGKILL', timeoutMs: 3 * PATIENCE }); }],
    ['the agent starts where nothing of the kernel is left but the devices', async () => {
      const [member] = cluster.members;
      await member.agent.stop('SIGKILL');
      // As after an update of the machine's tools that cleared bpffs: programs run on, and nobody finds their maps.
      for (const name of await readdir(member.node.folders.bpf)) if (!name.endsWith('.debug')) await rm(join(member.node.folders.bpf, name), { recursive: true });
      await member.restart({ timeoutMs: 3 * PATIENCE });
    }],
  ])('hears of nothing: %s', async (_, act) => {
    const flows = await hammer();
    const before = arrived(shut);
    await act();
    await grows(flows.open);
    expect(arrived(open)).toBeGreaterThan(0);
    expect(arrived(shut) - before).toBe(0);
    for (const flow of flows.shut) expect((await flow.stop()).received).toBe(0);
    for (const flow of flows.open) await flow.stop();
  }, 180_000);

  it('hears of nothing: a pod that comes when its service is there already', async () => {
    const [first] = cluster.members;
    const flows = await hammer();
    // The pod goes, and comes again at the address that its services lead to.
    const { ipv4, ipv6 } = shut;
    await first.client.deleteEndpoint(shut.id);
    const pod = await first.node.createPod('again');
    const probe = await pod.probe();
    for (const protocol of ['tcp', 'udp'] as const) await probe.listen({ protocol, port: 8080 });
    await first.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': 'again', labels: ['app=shut'], addressing: { ipv4, ipv6 } });
    await grows(flows.open);
    // Nothing has come to its sockets since it is there.
    const counted = await pod.exec('sh', '-c', "cat /proc/net/snmp /proc/net/snmp6 | awk '/^Tcp: [0-9]/ {print $7} /^Udp: [0-9]/ {print $2} /^Udp6InDatagrams/ {print $2}'");
    expect(counted.trim().split('\n')).toEqual(['0', '0', '0']);
    for (const flow of flows.shut) expect((await flow.stop()).received).toBe(0);
    for (const flow of flows.open) await flow.stop();
  }, 180_000);
});
