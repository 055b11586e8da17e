import { createAgentClient } from '@cilium-ts/agent-api';
import type { AgentClient } from '@cilium-ts/agent-api';
import { parsePacket } from '@cilium-ts/testkit';
import { writeSysctl } from '@cilium-ts/netlink';
import { createTestbed } from '@cilium-ts/testbed';
import type { Agent, AgentOptions, Outside, Probe, Testbed, TestbedNode, Uplink } from '@cilium-ts/testbed';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tap } from '../scenario/support/arena.ts';
import type { Family, Tap } from '../scenario/support/arena.ts';
import type { AttachedPod } from '../support/bench.ts';

/** What answers on 8080, TCP and UDP. */
export interface Server extends AttachedPod {
  readonly tap: Tap;
  address(family: Family): string;
  /** Sources of packets with this text in them that came so far, without repetitions. */
  sourcesOf(text: string): string[];
}

/** One of the two nodes. */
export interface Member {
  readonly node: TestbedNode;
  readonly uplink: Uplink;
  readonly client: AgentClient;
  /** What its agent was started with; a restart with other flags replaces them all. */
  readonly flags: readonly string[];
  agent: Agent;
  pod(name: string, labels?: readonly string[]): Promise<Server>;
  /** Puts a file into the folder of services. */
  services(text: string): Promise<void>;
  restart(options?: AgentOptions & { readonly signal?: NodeJS.Signals }): Promise<void>;
}

/** Two nodes with agents, and clients outside. */
export interface Cluster extends AsyncDisposable {
  readonly testbed: Testbed;
  readonly outside: Outside;
  readonly client: Probe;
  readonly members: readonly [Member, Member];
  /** The same file for both. */
  services(text: string): Promise<void>;
}

/** Addresses of clients, of the documentation ranges that the outside answers on. */
export const CLIENT = { 4: '198.51.100.10', 6: '2001:db8:51::10' } as const;
export const OTHER_CLIENT = { 4: '203.0.113.20', 6: '2001:db8:113::20' } as const;

const folder = async (path: string, file: string, text: string): Promise<void> => {
  await writeFile(join(path, `.${file}.draft`), text);
  await rename(join(path, `.${file}.draft`), join(path, file));
};

const join2 = async (testbed: Testbed, outside: Outside, index: number, flags: readonly string[]): Promise<Member> => {
  const node = await testbed.createNode(`n${index}`);
  const uplink = await outside.connect(node);
  const ranges = [`10.${20 + index}.0.0/16`, `fd00:20:${index}::/64`] as const;
  for (const range of ranges) await outside.route(range, node);
  // Of direct return: answers come by another way than the service's address is routed, and the router is the client.
  for (const device of ['all', `to-${index}`]) for (const [name, value] of [['rp_filter', 0], ['accept_local', 1]] as const) writeSysctl(`net.ipv4.conf.${device}.${name}`, value, { netns: outside.netns });
  const options: AgentOptions = {
    flags: [`--ipv4-range=${ranges[0]}`, `--ipv6-range=${ranges[1]}`, '--ipv4-native-routing-cidr=10.16.0.0/12', '--ipv6-native-routing-cidr=fd00:20::/32',
      `--node-name=n${index}`, `--service-dir=${node.folders.services}`, '--kube-proxy-replacement', '--devices=eth0', ...flags],
  };
  const client = createAgentClient({ socketPath: node.folders.socket });
  const member: Member = {
    node, uplink, client,
    flags: options.flags ?? [],
    agent: await node.startAgent(options),
    async pod(name, labels = [`app=${name}`]) {
      const pod = await node.createPod(name);
      const endpoint = await client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': name, labels: [...labels] });
      const { networking } = endpoint.status;
      const [address] = networking.addressing;
      const [ipv4, ipv6] = [address?.ipv4 ?? '', address?.ipv6 ?? ''];
      const probe = await pod.probe();
      for (const protocol of ['tcp', 'udp'] as const) await probe.listen({ protocol, port: 8080 });
      const seen = await tap(pod, 'eth0');
      const sourcesOf = (text: string): string[] => [...new Set(seen.frames().filter((bytes) => Buffer.from(bytes).includes(text, 0, 'latin1')).map((bytes) => parsePacket(bytes).ip!.source))];
      return { pod, endpoint, id: endpoint.id, ipv4, ipv6, probe, tap: seen, address: (family) => (family === 4 ? ipv4 : ipv6), sourcesOf };
    },
    services: (text) => folder(node.folders.services, 'services.yaml', text),
    async restart({ signal, ...more } = {}) {
      await member.agent.stop(signal);
      member.agent = await node.startAgent({ ...options, ...more });
    },
  };
  return member;
};

/** Two nodes, n0 and n1, with pods of 10.20.0.0/16 and 10.21.0.0/16. */
export const openCluster = async (name: string, flags: readonly string[] = []): Promise<Cluster> => {
  const testbed = createTestbed({ name });
  try {
    const outside = await testbed.createOutside();
    const members = [await join2(testbed, outside, 0, flags), await join2(testbed, outside, 1, flags)] as const;
    return {
      testbed, outside, members,
      client: await outside.probe(),
      services: async (text) => { for (const member of members) await member.services(text); },
      async [Symbol.asyncDispose]() {
        for (const { client } of members) await client.close();
        await testbed.close();
      },
    };
  } catch (error) {
    await testbed.close();
    throw error;
  }
};

/** A service of both families with its slices, as Kubernetes has them. `on` says which node a backend is on. */
export const serviceOf = (name: string, number: number, backends: readonly (readonly [Server, string])[], spec = ''): string => {
  const slice = (family: Family): string => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${family}, namespace: shop, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv${family}
ports: [{name: tcp, port: 8080, protocol: TCP}, {name: udp, port: 8080, protocol: UDP}]
endpoints: [${backends.map(([server, node]) => `{addresses: ["${server.address(family)}"], nodeName: ${node}}`).join(', ')}]
`;
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec:
  type: LoadBalancer
  ipFamilyPolicy: PreferDualStack
  ipFamilies: [IPv4, IPv6]
  clusterIP: 10.96.0.${number}
  clusterIPs: [10.96.0.${number}, "fd00:96::${number}"]
  externalIPs: [172.20.0.${number}, "fd00:172:20::${number}"]
  ports: [{name: tcp, port: 80, targetPort: 8080, nodePort: ${30_000 + number}, protocol: TCP}, {name: udp, port: 80, targetPort: 8080, nodePort: ${30_000 + number}, protocol: UDP}]
${spec}
status: {loadBalancer: {ingress: [{ip: 172.21.0.${number}}, {ip: "fd00:172:21::${number}"}]}}
${slice(4)}${slice(6)}`;
};

/** Frontends of serviceOf(). */
export const frontend = (kind: 'ClusterIP' | 'ExternalIP' | 'LoadBalancer', number: number, family: Family): string =>
  `${{ ClusterIP: { 4: '10.96.0.', 6: 'fd00:96::' }, ExternalIP: { 4: '172.20.0.', 6: 'fd00:172:20::' }, LoadBalancer: { 4: '172.21.0.', 6: 'fd00:172:21::' } }[kind][family]}${number}`;
