import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAgentClient, type AgentClient } from '@cilium-ts/agent-api';
import { createTestbed, type Agent, type Place, type TestbedNode } from '@cilium-ts/testbed';

/** How many endpoints the node has. */
export const ENDPOINTS = 200;
const APPS = 20;

/** A node with an agent and many endpoints under policy. */
export interface BusyNode extends AsyncDisposable {
  readonly node: TestbedNode;
  readonly client: AgentClient;
  /** The first two pods: clients and server of app0 and app1. */
  readonly pods: readonly { readonly pod: Place; readonly ipv4: string }[];
  pid(): number;
  /** SIGTERM, then a new agent. Milliseconds from its start until all endpoints are ready. */
  restart(): Promise<number>;
}

/** Twenty apps of ten pods, each with a policy of its own in a file of its own. */
export async function createBusyNode(): Promise<BusyNode> {
  const testbed = createTestbed({ name: 'bench-agent' });
  try {
    const node = await testbed.createNode('node');
    for (let app = 0; app < APPS; app++) writeFileSync(join(node.folders.policies, `app${app}.yaml`), policyOf(app));
    let agent = await node.startAgent();
    const client = createAgentClient({ socketPath: agent.socketPath });
    const pods: { pod: Place; ipv4: string }[] = [];
    for (let i = 0; i < ENDPOINTS; i++) {
      const pod = await node.createPod(`pod${i}`);
      const endpoint = await client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': `pod${i}`, labels: [`app=app${i % APPS}`] });
      pods.push({ pod, ipv4: endpoint.status.networking.addressing[0]?.ipv4 ?? '' });
    }
    return {
      node, client, pods,
      pid: () => agent.pid,
      restart: async () => {
        await agent.stop();
        const { agent: next, milliseconds } = await startAndWait(node, client);
        agent = next;
        return milliseconds;
      },
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

const READY_LIMIT_MS = 30_000;

async function startAndWait(node: TestbedNode, client: AgentClient): Promise<{ agent: Agent; milliseconds: number }> {
  const began = performance.now();
  const agent = await node.startAgent();
  while (performance.now() - began < READY_LIMIT_MS) {
    const { cilium, endpoints } = await client.healthz();
    if (cilium.state === 'Ok' && endpoints.ready === ENDPOINTS) return { agent, milliseconds: performance.now() - began };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`starting the agent: not all ${ENDPOINTS} endpoints are ready after ${READY_LIMIT_MS} ms`);
}

/** Each app is called by the next one on a port, calls the one before, and may ask a network outside. */
function policyOf(app: number): string {
  const [before, next] = [(app + APPS - 1) % APPS, (app + 1) % APPS];
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: app${app} }
spec:
  endpointSelector: { matchLabels: { app: app${app} } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: app${next} } }]
      toPorts: [{ ports: [{ port: "${8000 + app}", protocol: TCP }] }]
  egress:
    - toEndpoints: [{ matchLabels: { app: app${before} } }]
      toPorts: [{ ports: [{ port: "${8000 + before}", protocol: TCP }] }]
    - toCIDR: [198.51.${app}.0/24]
`;
}
