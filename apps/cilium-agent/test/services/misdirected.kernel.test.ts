import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PATIENCE } from '../scenario/support/arena.ts';
import { openCluster } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';
import { startAsker, startNames } from './names.ts';
import type { Asked, Asker, Heard } from './names.ts';

const COUNT = 1000;
const PATIENT = { timeout: 3 * PATIENCE, interval: 500 };
/** So many places change hands with every generation, to a service of the same family and protocol; at all of them the backend changes. */
const [CHANGING, STEP] = [100, 28];
/** Four kinds of service. */
const family = (number: number): 4 | 6 => (number % 4 < 2 ? 4 : 6);
const protocol = (number: number): 'TCP' | 'UDP' => (number % 2 === 0 ? 'TCP' : 'UDP');

/** A place is what clients know: an address of the cluster, and one of a load balancer. */
const address = (place: number, kind: 'cluster' | 'balancer'): string => {
  const [high, low] = [place >> 8, place & 255];
  if (family(place) === 4) return `${kind === 'cluster' ? '10.96' : '172.21'}.${high}.${low}`;
  return `fd00:${kind === 'cluster' ? '96' : '172:21'}::${(place + 0x1000).toString(16)}`;
};
/** Who has a place in a generation, by the number of the service: its backends answer by it. */
const PORT = 20_000;
const owner = (place: number, generation: number): number => (place < CHANGING ? (place + (CHANGING - STEP) * generation) % CHANGING : place);

let cluster: Cluster;
let pods: readonly [Server, Server];
let askers: Asker[];
const closing: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  cluster = await openCluster('svc-misled', ['--bpf-lb-sock-hostns-only']);
  const [{ node, pod }] = cluster.members;
  for (const prefix of ['172.21.0.0/16', 'fd00:172:21::/64']) await cluster.outside.route(prefix, node);
  pods = [await pod('one'), await pod('two')];
  const client = await pod('client');
  const ports = Array.from({ length: COUNT }, (_, number) => [protocol(number), PORT + number] as const);
  for (const each of pods) closing.push(await startNames(each.pod, [each.ipv4, each.ipv6], ports));
  const places = (kind: 'cluster' | 'balancer'): Asked[] => Array.from({ length: COUNT }, (_, place) => [address(place, kind), 80, protocol(place)] as const);
  const allow = places('cluster').map(() => []);
  askers = [
    await startAsker(client.pod, undefined, { frontends: places('cluster'), allow }),
    await startAsker(node, node.folders.cgroup, { frontends: places('cluster'), allow }),
    await startAsker(cluster.outside, undefined, { frontends: places('balancer'), allow }),
  ];
  closing.push(...askers);
}, 120_000);
afterAll(async () => {
  for (const each of closing) await each.close();
  await cluster[Symbol.asyncDispose]();
});

/** The file: a service has the place of the generation, and its backend in the one pod or the other. */
const file = (generation: number): string =>
  Array.from({ length: COUNT }, (_, place) => {
    const [number, ipv6] = [owner(place, generation), family(place) === 6];
    const backend = pods[(number + generation) % 2]![ipv6 ? 'ipv6' : 'ipv4'];
    return `apiVersion: v1
kind: Service
metadata: {name: s${number}}
spec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, clusterIP: "${address(place, 'cluster')}", ipFamilies: [IPv${family(place)}], ports: [{port: 80, protocol: ${protocol(place)}}]}
status: {loadBalancer: {ingress: [{ip: "${address(place, 'balancer')}"}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s${number}-1, labels: {kubernetes.io/service-name: s${number}}}
addressType: IPv${family(place)}
ports: [{port: ${PORT + number}, protocol: ${protocol(place)}}]
endpoints: [{addresses: ["${backend}"], nodeName: n0}]
`;
  }).join('---\n');

const allowed = (...generations: readonly number[]): number[][] => Array.from({ length: COUNT }, (_, place) => generations.map((generation) => PORT + owner(place, generation)));
const allow = async (...generations: readonly number[]): Promise<void> => { for (const asker of askers) await asker.allow(allowed(...generations)); };
const heard = (): Promise<Heard[]> => Promise.all(askers.map((asker) => asker.heard()));
const nobodyMisled = async (): Promise<void> => { expect((await heard()).map(({ wrong }) => wrong)).toEqual(askers.map(() => [])); };

/** In the kernel, as the agent reads it there: each place has the backend of its owner and no other. */
const inForce = async (generation: number): Promise<number> => {
  const held = new Map((await cluster.members[0].client.listBpfServices()).filter(({ id }) => id !== 0).map(({ frontend: { ip }, backends }) => [ip, backends.filter(({ share }) => share > 0).map(({ port }) => port).join()]));
  return Array.from({ length: COUNT }, (_, place) => place).filter((place) => (['cluster', 'balancer'] as const).every((kind) => held.get(address(place, kind)) === String(PORT + owner(place, generation)))).length;
};
/** From now on each place is answered by its owner alone, and each is heard of. */
const settled = async (generation: number): Promise<void> => {
  await expect.poll(() => inForce(generation), PATIENT).toBe(COUNT);
  await allow(generation);
  await expect.poll(async () => (await heard()).map(({ unheard }) => unheard), PATIENT).toEqual(askers.map(() => 0));
  await nobodyMisled();
};

describe('1,000 services that change hands, asked without a pause by a pod, a process of the node and a client outside', () => {
  let generation = 0;
  it('by an update: no question is answered by who neither has nor had the place', async () => {
    const [{ services }] = cluster.members;
    await allow(0);
    await services(file(0));
    await settled(0);
    for (; generation < 2; generation++) {
      await allow(generation, generation + 1);
      await services(file(generation + 1));
      await settled(generation + 1);
    }
  }, 900_000);

  it('by an agent that is killed in the middle of it, and of the next attempts', async () => {
    const [member] = cluster.members;
    for (const delays of [[0, 12], [3, 60]]) {
      await allow(generation, generation + 1);
      await member.agent.stop('SIGKILL');
      await member.services(file(generation + 1));
      for (const delay of delays) {
        // The first work of each is this update, and it is dead so many milliseconds after it has begun to write.
        await member.restart({ flags: [...member.flags, `--failpoint=services-compiled:1+${delay}`], doNotWait: true });
        expect(await member.agent.exited).toMatchObject({ signal: 'SIGKILL' });
        await nobodyMisled();
      }
      await member.restart({ timeoutMs: 3 * PATIENCE });
      generation++;
      await settled(generation);
    }
  }, 900_000);
});
