import type { Place, Testbed, TestbedNode } from '@cilium-ts/testbed';

/** A way from one client to one server through a router of its own. */
export interface Way {
  readonly router: TestbedNode;
  /** Address of the server on this way, for the backend of a service. */
  readonly backend: string;
  /** First two numbers of the addresses that the client sends along this way, for services. */
  readonly servicePrefix: string;
}

/** Routers between one client and one server. */
export interface Topology {
  /** Adds a router, which forwards and does nothing else. */
  addWay(name: string): Promise<Way>;
}

/** Prefix of all clients and servers: what kube-proxy is told is the cluster's. */
export const CLUSTER_CIDR = '198.18.0.0/15';

/** Connects two namespaces by any number of ways, each with a route of its own for service addresses. */
export function createTopology(testbed: Testbed, { client, server }: { readonly client: Place; readonly server: Place }): Topology {
  let ways = 0;
  const addWay = async (name: string): Promise<Way> => {
    const number = ways++;
    const router = await testbed.createNode(name);
    const servicePrefix = `172.${16 + number}`;
    const backend = `198.19.${number}.2`;
    const sides = [
      { pod: client, near: `198.18.${number}`, far: [`198.19.${number}.0/24`, `${servicePrefix}.0.0/16`], address: `198.18.${number}.2` },
      { pod: server, near: `198.19.${number}`, far: [`198.18.${number}.0/24`], address: backend },
    ];
    await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    for (const [side, { pod, near, far, address }] of sides.entries()) {
      await ip(router, `link add side${side} type veth peer name way${number} netns ${pod.netns}`);
      await ip(router, `address add ${near}.1/24 dev side${side}`);
      await ip(router, `link set side${side} up`);
      await ip(pod, `address add ${address}/24 dev way${number}`);
      await ip(pod, `link set way${number} up`);
      for (const prefix of far) await ip(pod, `route add ${prefix} via ${near}.1`);
    }
    return { router, backend, servicePrefix };
  };
  return { addWay };
}

const ip = (place: Place, command: string): Promise<string> => place.exec('ip', ...command.split(' '));
