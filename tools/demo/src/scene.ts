import { join } from 'node:path';
import { createAgentClient, type AgentClient } from '@cilium-ts/agent-api';
import { createTestbed, type Agent, type Outside, type Testbed, type TestbedNode } from '@cilium-ts/testbed';
import type { Party, Service } from './connection.ts';
import { createPolicyFolder, type PolicyFolder } from './policy-folder.ts';
import type { Shop, ShopPod } from './shop.ts';

/** The shop, running: a node with an agent, pods on it, the world outside. */
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
/** What the node itself serves: the port of a health check. */
const NODE_SERVICES: readonly Service[] = [{ protocol: 'TCP', port: 4240 }];

/**
 * Builds everything. On failure nothing is left.
 * @param keep the agent goes on when this process ends
 */
export async function openScene(shop: Shop, { keep }: { keep: boolean }): Promise<Scene> {
  const testbed = createTestbed({ name: 'demo' });
  try {
    const node = await testbed.createNode('node');
    const outside = await testbed.createOutside({ addresses: [shop.world.ipv4, shop.world.ipv6] });
    const uplink = await outside.connect(node);
    const policies = createPolicyFolder(node.folders.policies, join('examples', 'shop'));
    for (const [name, text] of shop.policies) policies.publish(name, text);
    const agent = await node.startAgent({ detached: keep, timeoutMs: AGENT_LIMIT_MS });
    const client = createAgentClient({ socketPath: agent.socketPath, timeoutMs: AGENT_LIMIT_MS });
    await routeBack(client, outside, node);
    const parties: Party[] = [
      ...(await Promise.all(shop.pods.map((pod) => attach(pod, node, client)))),
      { name: 'node', kind: 'node', addresses: { 4: uplink.nodeIpv4, 6: uplink.nodeIpv6 }, services: NODE_SERVICES, probe: await node.probe() },
      { name: 'world', kind: 'world', addresses: { 4: shop.world.ipv4, 6: shop.world.ipv6 }, services: shop.world.services, probe: await outside.probe() },
    ];
    await Promise.all(parties.map(serve));
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

/** The world reaches pods through the node, as where a network routes pod addresses. */
async function routeBack(client: AgentClient, outside: Outside, node: TestbedNode): Promise<void> {
  const { addressing } = await client.healthz();
  for (const range of [addressing.ipv4['alloc-range'], addressing.ipv6['alloc-range']]) {
    if (range !== undefined) await outside.route(range, node);
  }
}

/** One call to the agent makes a namespace an endpoint. */
async function attach(pod: ShopPod, node: TestbedNode, client: AgentClient): Promise<Party> {
  const place = await node.createPod(pod.name);
  const { status } = await client.createEndpoint({
    'container-netns-path': place.netns, 'container-name': pod.name, 'k8s-pod-name': pod.name, 'k8s-namespace': pod.namespace, labels: [...pod.labels],
  });
  const { ipv4, ipv6 } = status.networking.addressing[0] ?? {};
  if (ipv4 === undefined || ipv6 === undefined) throw new Error(`attaching ${pod.name}: the agent gave it no address of one family`);
  return { name: pod.name, kind: 'pod', addresses: { 4: ipv4, 6: ipv6 }, services: pod.services, probe: await place.probe() };
}

/** Opens the ports. Whoever has several addresses must answer datagrams from the one that was asked. */
async function serve({ kind, addresses, services, probe }: Party): Promise<void> {
  for (const { protocol, port } of services) {
    const options = { protocol: protocol === 'TCP' ? 'tcp' : 'udp', port } as const;
    await probe.listen(kind === 'pod' ? options : { ...options, addresses: Object.values(addresses) });
  }
}
