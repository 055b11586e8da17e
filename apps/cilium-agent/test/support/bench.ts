import { AgentApiError, createAgentClient } from '@cilium-ts/agent-api';
import type { AgentClient, Endpoint } from '@cilium-ts/agent-api';
import { createTestbed } from '@cilium-ts/testbed';
import type { Agent, AgentOptions, Pod, Probe, Testbed, TestbedNode } from '@cilium-ts/testbed';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One node with an agent, for tests. Addresses are given out in order: the first pod gets 10.244.0.2. */
export interface Bench extends AsyncDisposable {
  readonly testbed: Testbed;
  readonly node: TestbedNode;
  readonly client: AgentClient;
  agent: Agent;
  /** Stops the agent (by SIGTERM unless told otherwise) and starts another. */
  restart(options?: AgentOptions & { readonly signal?: NodeJS.Signals }): Promise<Agent>;
  /** Starts an agent that is expected to end by itself, and returns what it printed. */
  failingStart(options?: AgentOptions): Promise<{ readonly code: number | null; readonly signal: string | null; readonly output: string }>;
  /** A pod with an endpoint. */
  pod(name: string, labels?: readonly string[]): Promise<AttachedPod>;
  /** Puts a policy file in the folder by rename, or takes it away. */
  policy(file: string, text: string | undefined): Promise<void>;
  /** The same for services; the agent has to be told of the folder: `withServices`. */
  serviceFile(file: string, text: string | undefined): Promise<void>;
}

export interface AttachedPod {
  readonly pod: Pod;
  readonly endpoint: Endpoint;
  readonly id: number;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly probe: Probe;
}

/** Options of an agent that watches the node's folder of services. */
export const withServices = (...flags: string[]) => (node: TestbedNode): AgentOptions => ({ flags: [`--service-dir=${node.folders.services}`, ...flags] });

/** Puts a file in a folder by rename, or takes it away. */
const replaceFile = async (folder: string, file: string, text: string | undefined): Promise<void> => {
  const path = join(folder, file);
  if (text === undefined) {
    await rm(path);
    return;
  }
  await writeFile(join(folder, `.${file}.draft`), text);
  await rename(join(folder, `.${file}.draft`), path);
};

export const openBench = async (name: string, given: AgentOptions | ((node: TestbedNode) => AgentOptions) = {}): Promise<Bench> => {
  const testbed = createTestbed({ name });
  try {
    const node = await testbed.createNode('n');
    const options = typeof given === 'function' ? given(node) : given;
    const client = createAgentClient({ socketPath: node.folders.socket });
    const bench: Bench = {
      testbed, node, client,
      agent: await node.startAgent(options),
      async restart({ signal, ...more } = {}) {
        await bench.agent.stop(signal);
        bench.agent = await node.startAgent({ ...options, ...more });
        return bench.agent;
      },
      async failingStart(more = {}) {
        const agent = await node.startAgent({ ...options, ...more, doNotWait: true });
        const from = agent.log().length;
        const { code, signal } = await agent.exited;
        return { code, signal, output: agent.log().slice(from) };
      },
      async pod(podName, labels = [`app=${podName}`]) {
        const pod = await node.createPod(podName);
        const endpoint = await client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': podName, labels: [...labels] });
        const [address] = endpoint.status.networking.addressing;
        return { pod, endpoint, id: endpoint.id, ipv4: address?.ipv4 ?? '', ipv6: address?.ipv6 ?? '', probe: await pod.probe() };
      },
      policy: (file, text) => replaceFile(node.folders.policies, file, text),
      serviceFile: (file, text) => replaceFile(node.folders.services, file, text),
      async [Symbol.asyncDispose]() {
        await client.close();
        await testbed.close();
      },
    };
    return bench;
  } catch (error) {
    await testbed.close();
    throw error;
  }
};

/** A policy for endpoints with a label: ingress only from those with another, on a TCP port (or any). */
export const allowIngress = (name: string, to: string, from: string, port?: number): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}}
spec:
  endpointSelector: {matchLabels: {app: ${to}}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: ${from}}}]
${port === undefined ? '' : `      toPorts: [{ports: [{port: "${port}", protocol: TCP}]}]\n`}`;

/** The outcome of one TCP connection. */
export const tcp = async (from: AttachedPod, address: string, port = 80): Promise<string> => (await from.probe.connect({ address, port, timeoutMs: 300 })).outcome;

/** The refusal of a call that has to fail. */
export const refusal = async (call: Promise<unknown>): Promise<AgentApiError> => {
  const error: unknown = await call.then(() => undefined, (caught: unknown) => caught);
  if (!(error instanceof AgentApiError)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error;
};
