import fc from 'fast-check';
import type { ContainerPort, Party } from '../simulator/tables.ts';
import { NAMESPACES, PORT_NAMES } from './pools.ts';

/** The namespaces' labels; that of `bank` beside its name. */
const NAMESPACE_LABELS: Readonly<Record<string, readonly string[]>> = { shop: [], bank: ['k8s:io.cilium.k8s.namespace.labels.team=red'] };

let number = 0;

/** A pod, with the labels that Cilium gives it and addresses of both families. */
function pod(namespace: string, own: Readonly<Record<string, string>>, cluster = 'default'): Party {
  number++;
  const labels = [
    ...Object.entries(own).map(([key, value]) => `k8s:${key}=${value}`),
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    ...(NAMESPACE_LABELS[namespace] ?? []),
    `k8s:io.cilium.k8s.policy.cluster=${cluster}`,
  ];
  const name = `pod ${namespace}/${Object.values(own).join('+') || 'plain'}${cluster === 'default' ? '' : ` of ${cluster}`}`;
  return { name, where: 'inside', labels, addresses: [`10.7.0.${number}`, `fd07::${number}`] };
}

/** Somebody for whom an identity is reserved; nodes have addresses. */
function inside(name: string, ...labels: string[]): Party {
  const node = labels.some((label) => /^reserved:(host|remote-node)/.test(label));
  return { name, where: 'inside', labels, addresses: node ? [`172.30.0.${++number}`] : [] };
}

const outside = (address: string, ...labels: string[]): Party => ({ name: address, where: 'outside', labels, addresses: [address] });

export const PODS: readonly Party[] = [
  ...NAMESPACES.flatMap((namespace) => ['web', 'db', 'queue'].map((app) => pod(namespace, { app }))),
  pod('shop', { app: 'web', tier: 'front' }),
  pod('shop', {}),
  pod('shop', { app: 'web' }, 'other'),
];

export const HOST = inside('the node', 'reserved:host', 'node:role=edge');

export const INSIDE: readonly Party[] = [
  HOST,
  inside('init', 'reserved:init'),
  inside('health', 'reserved:health'),
  inside('a node', 'reserved:remote-node'),
  inside('a node with labels', 'reserved:remote-node', 'node:role=edge', 'k8s:io.cilium.k8s.policy.cluster=default'),
  inside('the API server', 'reserved:kube-apiserver', 'reserved:remote-node'),
  inside('unmanaged', 'reserved:unmanaged'),
  inside('ingress', 'reserved:ingress'),
];

export const OUTSIDE: readonly Party[] = [
  ...['198.51.100.7', '198.51.100.200', '203.0.113.7', '203.0.113.9', '192.0.2.1', '2001:db8:c::1', '2001:db8:c::9', '2001:db8:ffff::1'].map((address) => outside(address)),
  outside('203.0.113.100', 'reserved:kube-apiserver'),
];

const containerPort = fc.record<ContainerPort>(
  { name: fc.constantFrom(...PORT_NAMES), protocol: fc.constantFrom(6, 6, 17), port: fc.constantFrom(80, 8080, 53, 9092) },
  { noNullPrototype: true },
);
const ports = fc.uniqueArray(containerPort, { maxLength: 3, selector: ({ name, protocol }) => `${name}/${protocol}` });

/** Everybody; pods with container ports as given. */
export const parties: fc.Arbitrary<readonly Party[]> = fc
  .array(ports, { minLength: PODS.length, maxLength: PODS.length })
  .map((given) => [...PODS.map((party, i) => ({ ...party, ports: given[i]! })), ...INSIDE, ...OUTSIDE]);
