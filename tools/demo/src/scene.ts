import { createAgentClient, type AgentClient } from '@cilium-ts/agent-api';
import { createTestbed, type Agent, type Outside, type Testbed, type TestbedNode } from '@cilium-ts/testbed';
import { join } from 'node:path';
import type { Party, Service } from './connection.ts';
import { podName } from './expectation.ts';
import { createPolicyFolder, type PolicyFolder } from './policy-folder.ts';
import type { OutsideMachine, Shop, ShopPod } from './shop.ts';

/** The shop, running: a node with an agent, pods on it, machines outside. */
export interface Scene extends AsyncDisposable {
  readonly testbed: Testbed;
  readonly node: TestbedNode;
  readonly agent: Agent;
  readonly client: AgentClient;
  readonly policies: PolicyFolder;
  readonly parties: readonly Party[];
}

/** A slow machine takes this long for what others do in half a second. */
const AGENT_LIMIT_MS = 120_000;

/**
 * Builds everything. On failure nothing is left.
 * @param keep the agent goes on when this process ends
 */
export async function openScene(shop: Shop, { keep }: { keep: boolean }): Promise<Scene> {
  const testbed = createTestbed({ name: 'demo' });
  try {
    const node = await testbed.createNode('node');
    const outside = await testbed.createOutside({ addresses: shop.outside.flatMap(({ addresses }) => addresses) });
    const uplink = await outside.connect(node);
    const policies = createPolicyFolder(node.folders.policies, join('examples', 'shop', 'policies'));
    for (const [name, text] of shop.policies) policies.publish(name, text);
    const agent = await node.startAgent({ detached: keep, timeoutMs: AGENT_LIMIT_MS, flags: [`--cluster-name=${shop.cluster}`] });
    const client = createAgentClient({ socketPath: agent.socketPath, timeoutMs: AGENT_LIMIT_MS });
    await routeBack(client, outside, node);
    const nodeParty: Party = { name: 'the node', kind: 'node', addresses: { 4: uplink.nodeIpv4, 6: uplink.nodeIpv6 }, services: shop.nodeServices, probe: await node.probe() };
    const parties = [...(await Promise.all(shop.pods.map((pod) => attach(pod, node, client)))), nodeParty, ...(await machines(shop.outside, outside))];
    await serve(parties);
    return {
      testbed, node, agent, client, policies, parties,
      [Symbol.asyncDispose]: async () => {
        await client.close();
        await testbed.close();
      },
    };
  } catch (error) {
    await testbed.close();
    throw error;
  }
}

/** Machines outside reach pods through the node, as where a network routes pod addresses. */
async function routeBack(client: AgentClient, outside: Outside, node: TestbedNode): Promise<void> {
  const { addressing } = await client.healthz();
  for (const range of [addressing.ipv4['alloc-range'], addressing.ipv6['alloc-range']]) {
    if (range !== undefined) await outside.route(range, node);
  }
}

/** One call to the agent makes a namespace an endpoint. */
async function attach(pod: ShopPod, node: TestbedNode, client: AgentClient): Promise<Party> {
  const place = await node.createPod(`${pod.namespace}-${pod.name}`);
  const { status } = await client.createEndpoint({
    'container-netns-path': place.netns,
    'container-name': `${pod.namespace}-${pod.name}`,
    'k8s-pod-name': pod.name,
    'k8s-namespace': pod.namespace,
    labels: [...pod.labels],
  });
  const { ipv4, ipv6 } = status.networking.addressing[0] ?? {};
  if (ipv4 === undefined || ipv6 === undefined) throw new Error(`attaching ${podName(pod)}: the agent gave it no address of one family`);
  return { name: podName(pod), kind: 'pod', addresses: { 4: ipv4, 6: ipv6 }, services: pod.services, probe: await place.probe() };
}

/** The machines share one namespace, which has the addresses of all. */
async function machines(list: readonly OutsideMachine[], outside: Outside): Promise<Party[]> {
  const probe = await outside.probe();
  return list.map(({ name, addresses, services }) => {
    const [ipv4, ipv6] = [addresses.find((address) => !address.includes(':')), addresses.find((address) => address.includes(':'))];
    return { name, kind: 'outside', addresses: { ...(ipv4 === undefined ? {} : { 4: ipv4 }), ...(ipv6 === undefined ? {} : { 6: ipv6 }) }, services, probe };
  });
}

/** Opens the ports. Machines that share a namespace share a server too, on the addresses of those that have the port. */
async function serve(parties: readonly Party[]): Promise<void> {
  const servers = new Map<string, { readonly party: Party; readonly service: Service; readonly addresses: string[] }>();
  for (const party of parties) {
    for (const service of party.services) {
      const key = `${party.kind === 'outside' ? 'outside' : party.name} ${service.protocol} ${service.port}`;
      const addresses = [...(servers.get(key)?.addresses ?? []), ...Object.values(party.addresses)];
      servers.set(key, { party, service, addresses });
    }
  }
  const listening = [...servers.values()].map(({ party, service, addresses }) => {
    const options = { protocol: service.protocol === 'TCP' ? 'tcp' : 'udp', port: service.port } as const;
    return party.probe.listen(party.kind === 'outside' ? { ...options, addresses } : options);
  });
  await Promise.all(listening);
}
