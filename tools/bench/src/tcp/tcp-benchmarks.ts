import { createAgentClient } from '@cilium-ts/agent-api';
import { createTestbed, type Place } from '@cilium-ts/testbed';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildTraffic } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import { connectByPlainRoute } from './plain-route.ts';
import { runRounds, type TrafficMode } from './rounds.ts';

const modes: readonly { readonly name: string; readonly mode: TrafficMode; readonly unit: string }[] = [
  { name: 'tcp/rr', mode: 'rr', unit: '1/s' },
  { name: 'tcp/crr', mode: 'crr', unit: '1/s' },
  { name: 'tcp/throughput', mode: 'stream', unit: 'bit/s' },
];

const BASELINE = 'the same namespaces, routed by the kernel, no policy';

/** Real connections between two pods, against the kernel's own routing between the same two namespaces. */
export const tcpBenchmarks: Benchmark = { names: modes.map(({ name }) => name), run };

/** Both ends are under policy: neither could exchange a packet without its rule. */
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: client }
spec:
  endpointSelector: { matchLabels: { app: client } }
  ingress: [{}]
  egress:
    - toEndpoints: [{ matchLabels: { app: server } }]
      toPorts: [{ ports: [{ port: "5000", protocol: TCP }] }]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: server }
spec:
  endpointSelector: { matchLabels: { app: server } }
  egress: [{}]
  ingress:
    - fromEndpoints: [{ matchLabels: { app: client } }]
      toPorts: [{ ports: [{ port: "5000", protocol: TCP }] }]
`;

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  await using testbed = createTestbed({ name: 'bench-tcp' });
  const node = await testbed.createNode('node');
  const agent = await node.startAgent();
  await using client = createAgentClient({ socketPath: agent.socketPath });
  const attach = async (name: string): Promise<{ pod: Place; address: string }> => {
    const pod = await node.createPod(name);
    const endpoint = await client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': name, labels: [`app=${name}`] });
    return { pod, address: endpoint.status.networking.addressing[0]?.ipv4 ?? '' };
  };
  const from = await attach('client');
  const to = await attach('server');
  await client.importPolicy(POLICY, { file: 'bench.yaml' });
  const baselineAddress = await connectByPlainRoute(await testbed.createNode('router'), from.pod, to.pod);
  const course = { traffic: buildTraffic(), clientNetns: from.pod.netns, serverNetns: to.pod.netns, measuredAddress: to.address, baselineAddress, signal };
  const results: BenchResult[] = [];
  for (const { name, mode, unit } of modes.filter((each) => wanted(each.name))) {
    const { measured, baseline, rounds } = await runRounds(mode, course);
    progress(`${name}: ${measured.toPrecision(4)} ${unit}, kernel routing ${baseline.toPrecision(4)}`);
    results.push(relative({ name, value: measured, unit, baseline: { name: BASELINE, value: baseline }, n: rounds }));
  }
  return results;
}
