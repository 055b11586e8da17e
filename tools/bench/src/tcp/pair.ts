import { createAgentClient } from '@cilium-ts/agent-api';
import type { Place, Testbed } from '@cilium-ts/testbed';

/** A pod with its address. */
export interface AttachedPod {
  readonly pod: Place;
  readonly address: string;
}

/** Two pods on a node with an agent, the one allowed to connect to the other. */
export interface Pair extends AsyncDisposable {
  readonly from: AttachedPod;
  readonly to: AttachedPod;
}

/** Both ends are under policy: neither could exchange a packet without its rule. */
const policy = (port: number): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: client }
spec:
  endpointSelector: { matchLabels: { app: client } }
  ingress: [{}]
  egress:
    - toEndpoints: [{ matchLabels: { app: server } }]
      toPorts: [{ ports: [{ port: "${port}", protocol: TCP }] }]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: server }
spec:
  endpointSelector: { matchLabels: { app: server } }
  egress: [{}]
  ingress:
    - fromEndpoints: [{ matchLabels: { app: client } }]
      toPorts: [{ ports: [{ port: "${port}", protocol: TCP }] }]
`;

/** Makes the node, its agent and the pods. Whoever made the testbed takes them down with it. */
export async function createPair(testbed: Testbed, port: number): Promise<Pair> {
  const node = await testbed.createNode('node');
  const agent = await node.startAgent();
  const client = createAgentClient({ socketPath: agent.socketPath });
  const attach = async (name: string): Promise<AttachedPod> => {
    const pod = await node.createPod(name);
    const endpoint = await client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': name, labels: [`app=${name}`] });
    return { pod, address: endpoint.status.networking.addressing[0]?.ipv4 ?? '' };
  };
  const from = await attach('client');
  const to = await attach('server');
  await client.importPolicy(policy(port), { file: 'bench.yaml' });
  return { from, to, [Symbol.asyncDispose]: () => client.close() };
}
