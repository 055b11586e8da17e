import fc from 'fast-check';
import type { Identity } from '@cilium-ts/identity';
import type { PolicyOptions } from '../../src/index.ts';
import { outside, pod, reserved } from './identities.ts';

const NAMESPACES = ['shop', 'bank'];
const APPS = ['web', 'db', 'queue'];

/** Pods that share labels across namespaces and clusters. */
export const PODS: readonly Identity[] = [
  ...NAMESPACES.flatMap((namespace) => APPS.map((app) => pod(namespace, { app }))),
  pod('shop', { app: 'web', tier: 'front' }),
  pod('shop', {}),
  pod('shop', { app: 'web' }, 'other'),
];

/** The pods, the reserved identities, and addresses inside and outside of prefixes. */
export const IDENTITIES: readonly Identity[] = [
  ...PODS,
  reserved('host'),
  reserved('world-ipv4'),
  reserved('world-ipv6'),
  reserved('init'),
  reserved('health'),
  reserved('remote-node'),
  reserved('unmanaged'),
  outside('198.51.100.0/24'),
  outside('198.51.100.128/25', ['198.51.100.0/24']),
  outside('203.0.113.7/32'),
  outside('2001:db8:c::/64'),
  outside('2001:db8:c::1/128', ['2001:db8:c::/64']),
];

const PORTS = [0, 1, 53, 79, 80, 81, 100, 443, 8080, 65534, 65535];
const ICMP_TYPES = [0, 3, 8, 128, 129, 255];

export const PACKETS: readonly { protocol: number; port: number }[] = [
  ...[6, 17, 132].flatMap((protocol) => PORTS.map((port) => ({ protocol, port }))),
  ...[1, 58].flatMap((protocol) => ICMP_TYPES.map((port) => ({ protocol, port }))),
  { protocol: 2, port: 0 },
  { protocol: 47, port: 0 },
  { protocol: 112, port: 0 },
  { protocol: 0, port: 0 },
  { protocol: 255, port: 0 },
];

/** `{ key: value }` without the keys whose value is undefined. */
const object = (model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> => fc.record(model, { requiredKeys: [] });

const labelKeys = (prefixes: string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...prefixes), fc.constantFrom('app', 'tier')).map(([prefix, key]) => prefix + key);
const labelValue = fc.constantFrom(...APPS, 'front', '');

function selector(prefixes: string[], extra: fc.Arbitrary<Record<string, string>>): fc.Arbitrary<unknown> {
  const expression = fc.oneof(
    fc.record({ key: labelKeys(prefixes), operator: fc.constantFrom('In', 'NotIn'), values: fc.array(labelValue, { minLength: 1, maxLength: 2 }) }),
    fc.record({ key: labelKeys(prefixes), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
  );
  const labels = fc.tuple(fc.dictionary(labelKeys(prefixes), labelValue, { maxKeys: 1, noNullPrototype: true }), fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: extra }));
  return object({ matchLabels: labels.map(([own, more]) => ({ ...own, ...more })), matchExpressions: fc.array(expression, { maxLength: 2 }) });
}

const special: fc.Arbitrary<Record<string, string>> = fc.constantFrom(
  { 'k8s:io.kubernetes.pod.namespace': 'bank' },
  { 'io.kubernetes.pod.namespace': 'shop' },
  { 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'bank' },
  { 'io.cilium.k8s.policy.cluster': 'other' },
  { 'reserved:host': '' },
  { 'reserved:world-ipv4': '' },
  { 'reserved:init': '' },
);

const ciliumSelector = selector(['', 'k8s:', 'any:'], special);
const kubernetesSelector = selector([''], fc.constant({}));

const portText = fc.constantFrom(...PORTS.map(String));
const ciliumPort = fc.oneof(
  object({ port: portText, protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', 'ANY', '') }).map((port) => ({ port: '80', ...port })),
  fc.record({ port: fc.constantFrom('0', '1', '80', '100'), endPort: fc.constantFrom(100, 443, 65535), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') }),
  fc.record({ port: fc.constantFrom('0', ''), protocol: fc.constantFrom('VRRP', 'IGMP') }),
);
const toPorts = fc.array(object({ ports: fc.array(ciliumPort, { maxLength: 3 }) }), { maxLength: 2 });
const icmps = fc.array(
  fc.record({
    fields: fc.array(
      fc.oneof(
        fc.record({ family: fc.constantFrom('IPv4', 'IPv6'), type: fc.constantFrom(...ICMP_TYPES) }),
        fc.record({ type: fc.constantFrom('EchoRequest', 'EchoReply', '3') }),
        fc.record({ family: fc.constant('IPv6'), type: fc.constantFrom('EchoRequest', 'EchoReply') }),
      ),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 2 },
);

const cidr = fc.constantFrom('198.51.100.0/24', '198.51.100.128/25', '203.0.113.7', '203.0.113.0/24', '0.0.0.0/0', '2001:db8:c::/64', '2001:db8:c::1', '::/0', '10.0.0.0/8');
const cidrSet = fc.oneof(
  cidr.map((text) => ({ cidr: text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}` })),
  fc.constantFrom({ cidr: '198.51.100.0/24', except: ['198.51.100.128/25'] }, { cidr: '0.0.0.0/0', except: ['203.0.113.0/24'] }, { cidr: '2001:db8::/32', except: ['2001:db8:c::1/128'] }),
);
const entity = fc.constantFrom('all', 'world', 'world-ipv4', 'world-ipv6', 'cluster', 'host', 'remote-node', 'init', 'health', 'unmanaged', 'none', 'ingress');

function entry(prefix: 'from' | 'to'): fc.Arbitrary<Record<string, unknown>> {
  const few = { maxLength: 2 };
  const peers: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
    fc.constant({}),
    fc.array(ciliumSelector, few).map((list) => ({ [`${prefix}Endpoints`]: list })),
    fc.array(entity, few).map((list) => ({ [`${prefix}Entities`]: list })),
    fc.array(cidr, few).map((list) => ({ [`${prefix}CIDR`]: list })),
    fc.array(cidrSet, few).map((list) => ({ [`${prefix}CIDRSet`]: list })),
  );
  const ports: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
    fc.constant({}),
    toPorts.map((list) => ({ toPorts: list })),
    icmps.map((list) => ({ icmps: list })),
  );
  return fc.tuple(peers, ports).map(([a, b]) => ({ ...a, ...b }));
}

const entries = (prefix: 'from' | 'to') => fc.array(entry(prefix), { maxLength: 2 });
const defaultDeny = object({ ingress: fc.boolean(), egress: fc.boolean() });

const ciliumSpec = fc
  .tuple(
    object({ ingress: entries('from'), ingressDeny: entries('from'), egress: entries('to'), egressDeny: entries('to') }),
    fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: ciliumSelector }),
    fc.option(defaultDeny, { nil: undefined, freq: 3 }),
  )
  .map(([sections, endpointSelector, enableDefaultDeny]) => ({
    endpointSelector,
    ...(enableDefaultDeny === undefined ? {} : { enableDefaultDeny }),
    ...(Object.values(sections).every((list) => (list as unknown[]).length === 0) ? { ingress: [{}] } : sections),
  }));

const cnp = fc.tuple(ciliumSpec, fc.constantFrom(...NAMESPACES), fc.nat(9)).map(([spec, namespace, n]) => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name: `cnp-${n}`, namespace },
  spec,
}));

const ccnp = fc.tuple(fc.array(ciliumSpec, { minLength: 1, maxLength: 2 }), fc.nat(9)).map(([specs, n]) => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumClusterwideNetworkPolicy',
  metadata: { name: `ccnp-${n}` },
  specs,
}));

const kubernetesPeer = fc.oneof(
  fc.record({ podSelector: kubernetesSelector }),
  fc.record({ namespaceSelector: fc.constantFrom({}, { matchLabels: { 'kubernetes.io/metadata.name': 'bank' } }) }),
  fc.record({ podSelector: kubernetesSelector, namespaceSelector: fc.constantFrom({}, { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['shop'] }] }) }),
  cidrSet.map((ipBlock) => ({ ipBlock })),
);
const kubernetesPort = fc.oneof(
  object({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'), port: fc.constantFrom(...PORTS.filter((port) => port > 0)) }),
  fc.record({ port: fc.constantFrom(1, 80), endPort: fc.constantFrom(81, 443, 65535) }),
);
const kubernetesEntry = (field: 'from' | 'to') =>
  object({ [field]: fc.array(kubernetesPeer, { maxLength: 2 }), ports: fc.array(kubernetesPort, { maxLength: 2 }) });

const networkPolicy = fc
  .tuple(
    object({
      policyTypes: fc.subarray(['Ingress', 'Egress']),
      ingress: fc.array(kubernetesEntry('from'), { maxLength: 2 }),
      egress: fc.array(kubernetesEntry('to'), { maxLength: 2 }),
    }),
    fc.oneof(fc.constant({}), kubernetesSelector),
    fc.constantFrom(...NAMESPACES),
    fc.nat(9),
  )
  .map(([sections, podSelector, namespace, n]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `np-${n}`, namespace },
    spec: { podSelector, ...sections },
  }));

/** Up to five policies of all kinds, as JSON texts. */
export const documents: fc.Arbitrary<string[]> = fc.array(
  fc.oneof({ weight: 3, arbitrary: cnp }, { weight: 1, arbitrary: ccnp }, { weight: 2, arbitrary: networkPolicy }).map((document) => JSON.stringify(document)),
  { minLength: 1, maxLength: 5 },
);

export const options: fc.Arbitrary<PolicyOptions> = fc.record({
  enforcement: fc.oneof({ weight: 6, arbitrary: fc.constant('default' as const) }, { weight: 1, arbitrary: fc.constantFrom('always' as const, 'never' as const) }),
  allowLocalhost: fc.boolean(),
  ipv4: fc.constant(true),
  ipv6: fc.constant(true),
  clusterName: fc.constant('default'),
  defaultLocalCluster: fc.boolean(),
});
