import type { Party } from '../simulator/tables.ts';
import type { Cluster, Endpoint, Other, Pod } from './strict.ts';

export const CLUSTER: Cluster = {
  namespaces: {
    shop: { 'kubernetes.io/metadata.name': 'shop' },
    bank: { 'kubernetes.io/metadata.name': 'bank', team: 'red' },
  },
};

const PORTS = [{ name: 'http', protocol: 6, port: 8080 }, { name: 'dns', protocol: 17, port: 53 }];

function pod(namespace: string, labels: Readonly<Record<string, string>>, address: string, ports = PORTS): Pod {
  return { kind: 'pod', name: `${namespace}/${Object.values(labels).join('+') || 'plain'} ${address}`, namespace, labels, addresses: [address], ports };
}

/** Pods by name and their addresses; `replica` has the labels of `web`, and so its identity. */
export const WEB = pod('shop', { app: 'web' }, '10.7.0.1');
export const REPLICA = pod('shop', { app: 'web' }, '10.7.0.2');
export const DB = pod('shop', { app: 'db' }, '10.7.0.3', [{ name: 'http', protocol: 6, port: 80 }]);
export const BANK = pod('bank', { app: 'web', tier: 'front' }, '10.8.0.1');
export const QUEUE = pod('bank', { app: 'queue' }, '10.8.0.2', []);
export const PLAIN = pod('shop', {}, '10.7.0.4');

/** Has the labels of `PLAIN`, and calls another port `http`. */
export const PLAIN_TWIN = pod('shop', {}, '10.7.0.5', [{ name: 'http', protocol: 6, port: 8081 }]);
export const OTHER_CLUSTER: Pod = { ...pod('shop', { app: 'web' }, '10.9.0.1'), name: 'web of another cluster', cluster: 'other' };

const other = (kind: Other['kind'], address: string): Other => ({ kind, name: `${kind} ${address}`, addresses: [address] });
export const OWN_NODE = other('own-node', '172.30.0.1');
export const NODE = other('node', '172.30.0.2');
export const OUTSIDE = other('outside', '198.51.100.7');

export const PODS: readonly Pod[] = [WEB, REPLICA, DB, BANK, QUEUE, PLAIN];
export const ENDPOINTS: readonly Endpoint[] = [...PODS, OWN_NODE, NODE, OUTSIDE, other('outside', '198.51.100.200'), other('outside', '203.0.113.7'), other('outside', '192.0.2.1')];

/** Those too that the rules' own words know nothing of: what they share or are apart in is Cilium's. */
export const EVERYBODY: readonly Endpoint[] = [...ENDPOINTS, PLAIN_TWIN, OTHER_CLUSTER];

/** The endpoint as Cilium knows it: by its labels. */
export function partyOf(endpoint: Endpoint): Party {
  const { name, addresses } = endpoint;
  if (endpoint.kind === 'outside') return { name, where: 'outside', labels: [], addresses };
  if (endpoint.kind !== 'pod') return { name, where: 'inside', labels: [endpoint.kind === 'own-node' ? 'reserved:host' : 'reserved:remote-node'], addresses };
  const { namespace, labels, ports, cluster = 'default' } = endpoint;
  return {
    name,
    where: 'inside',
    labels: [
      ...Object.entries(labels).map(([key, value]) => `k8s:${key}=${value}`),
      ...Object.entries(CLUSTER.namespaces[namespace]!).map(([key, value]) => `k8s:io.cilium.k8s.namespace.labels.${key}=${value}`),
      `k8s:io.kubernetes.pod.namespace=${namespace}`,
      `k8s:io.cilium.k8s.policy.cluster=${cluster}`,
    ],
    addresses,
    ports,
  };
}
