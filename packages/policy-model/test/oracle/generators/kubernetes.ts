import fc from 'fast-check';
import type { Json } from '../simulator/tables.ts';
import type { Features } from './features.ts';
import { NAMES, NAMESPACES, PORTS, PORT_NAMES, block, few, object, prefix, some, when } from './pools.ts';
import { namespaceSelector, nodeSelector, podSelector } from './selectors.ts';

type Spec = Record<string, unknown>;

const POSITIVE = PORTS.filter((port) => port > 0);
const PROTOCOLS = fc.constantFrom('TCP', 'UDP', 'SCTP');
const plain = { noNullPrototype: true } as const;

const networkPeer = fc.oneof<fc.Arbitrary<Spec>[]>(
  fc.record({ podSelector }, plain),
  fc.record({ namespaceSelector }, plain),
  fc.record({ podSelector, namespaceSelector }, plain),
  block.map((ipBlock) => ({ ipBlock })),
);

function networkPort({ namedPorts }: Features): fc.Arbitrary<Spec> {
  return fc.oneof<fc.Arbitrary<Spec>[]>(
    object({ protocol: PROTOCOLS, port: fc.constantFrom(...POSITIVE) }),
    fc.record({ port: fc.constantFrom(1, 80), endPort: fc.constantFrom(81, 443, 65535) }, plain),
    ...when(namedPorts, object({ protocol: PROTOCOLS, port: fc.constantFrom(...PORT_NAMES) })),
  );
}

export function networkPolicy(features: Features): fc.Arbitrary<Json> {
  const entry = (field: 'from' | 'to'): fc.Arbitrary<Spec> => object({ [field]: fc.array(networkPeer, few), ports: fc.array(networkPort(features), few) });
  const body = object({ policyTypes: fc.subarray(['Ingress', 'Egress']), ingress: fc.array(entry('from'), few), egress: fc.array(entry('to'), few) });
  return fc.tuple(body, fc.oneof(fc.constant({}), podSelector), fc.constantFrom(...NAMESPACES, undefined)).map(([more, selector, namespace]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: namespace === undefined ? {} : { namespace },
    spec: { podSelector: selector, ...more },
  }));
}

const pods = fc.oneof<fc.Arbitrary<Spec>[]>(
  namespaceSelector.map((namespaces) => ({ namespaces })),
  fc.record({ namespaceSelector, podSelector }, plain).map((both) => ({ pods: both })),
);

/** Egress peers that have no named ports, and those that may stand in rules that allow only. */
const networks = fc.uniqueArray(prefix, { minLength: 1, maxLength: 3 }).map((list): Spec => ({ networks: list }));
const domainNames = fc.uniqueArray(fc.constantFrom(...NAMES, '*.example.com'), some).map((list): Spec => ({ domainNames: list }));

interface TierStyle {
  readonly actions: readonly string[];
  readonly allow: string;
  readonly port: (named: boolean) => fc.Arbitrary<Spec>;
  readonly portField: 'ports' | 'protocols';
}

function rule(to: boolean, style: TierStyle, features: Features): fc.Arbitrary<Spec> {
  const ports = (named: boolean): fc.Arbitrary<Spec> => object({ [style.portField]: fc.array(style.port(named && features.namedPorts), some) });
  const field = to ? 'to' : 'from';
  const any = fc.constantFrom(...style.actions);
  const withPods = fc.tuple(any, fc.array(pods, some), ports(true)).map(([action, peers, more]) => ({ action, [field]: peers, ...more }));
  if (!to) return withPods;
  const outside = fc.oneof(networks, nodeSelector.map((nodes): Spec => ({ nodes })), pods);
  const mixed = fc.tuple(any, fc.array(outside, some), ports(false)).map(([action, peers, more]) => ({ action, to: peers, ...more }));
  const names = fc.tuple(fc.array(fc.oneof(domainNames, networks), some), ports(false)).map(([peers, more]) => ({ action: style.allow, to: peers, ...more }));
  return fc.oneof(withPods, mixed, ...when<Spec>(features.names, names));
}

const oldStyle = (actions: readonly string[]): TierStyle => ({
  actions,
  allow: 'Allow',
  portField: 'ports',
  port: (named) =>
    fc.oneof<fc.Arbitrary<Spec>[]>(
      fc.record({ protocol: PROTOCOLS, port: fc.constantFrom(...POSITIVE) }, plain).map((portNumber) => ({ portNumber })),
      fc.record({ protocol: PROTOCOLS, start: fc.constantFrom(1, 80), end: fc.constantFrom(81, 443, 65535) }, plain).map((portRange) => ({ portRange })),
      ...when(named, fc.constantFrom(...PORT_NAMES).map((namedPort): Spec => ({ namedPort }))),
    ),
});

const newStyle: TierStyle = {
  actions: ['Accept', 'Deny', 'Pass'],
  allow: 'Accept',
  portField: 'protocols',
  port: (named) => {
    const destinationPort = fc.oneof<fc.Arbitrary<Spec>[]>(
      fc.constantFrom(...POSITIVE).map((number) => ({ number })),
      fc.record({ start: fc.constantFrom(1, 80), end: fc.constantFrom(81, 443, 65535) }, plain).map((range) => ({ range })),
    );
    return fc.oneof<fc.Arbitrary<Spec>[]>(
      fc.tuple(fc.constantFrom('tcp', 'udp', 'sctp'), destinationPort).map(([protocol, to]) => ({ [protocol]: { destinationPort: to } })),
      ...when(named, fc.constantFrom(...PORT_NAMES).map((destinationNamedPort): Spec => ({ destinationNamedPort }))),
    );
  },
};

/** AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy; priorities meet often. */
export function tierPolicy(features: Features): fc.Arbitrary<Json> {
  const body = (style: TierStyle): fc.Arbitrary<Spec> =>
    object({ ingress: fc.array(rule(false, style, features), { minLength: 1, maxLength: 3 }), egress: fc.array(rule(true, style, features), { minLength: 1, maxLength: 3 }) });
  const priority = fc.constantFrom(0, 1, 1, 2, 1000);
  const api = 'policy.networking.k8s.io';
  return fc.oneof(
    fc.tuple(priority, pods, body(oldStyle(['Allow', 'Deny', 'Pass']))).map(([number, subject, rules]) => ({
      apiVersion: `${api}/v1alpha1`, kind: 'AdminNetworkPolicy', metadata: {}, spec: { priority: number, subject, ...rules },
    })),
    fc.tuple(pods, body(oldStyle(['Allow', 'Deny']))).map(([subject, rules]) => ({
      apiVersion: `${api}/v1alpha1`, kind: 'BaselineAdminNetworkPolicy', metadata: {}, spec: { subject, ...rules },
    })),
    fc.tuple(priority, fc.constantFrom('Admin', 'Baseline'), pods, body(newStyle)).map(([number, tier, subject, rules]) => ({
      apiVersion: `${api}/v1alpha2`, kind: 'ClusterNetworkPolicy', metadata: {}, spec: { tier, priority: number, subject, ...rules },
    })),
  );
}
