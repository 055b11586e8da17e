import fc from 'fast-check';
import type { Json } from '../simulator/tables.ts';
import { fqdnSelector, portFields } from './cilium-ports.ts';
import type { Features } from './features.ts';
import { CIDR_GROUPS, NAMESPACES, PROVIDER_GROUPS, block, few, object, prefix, some, when } from './pools.ts';
import { ciliumSelector, nodeSelector } from './selectors.ts';

type Spec = Record<string, unknown>;

const ENTITIES = ['all', 'world', 'world-ipv4', 'world-ipv6', 'cluster', 'host', 'remote-node', 'init', 'health', 'unmanaged', 'none', 'ingress'];

const cidrGroup = fc
  .tuple(
    fc.oneof<fc.Arbitrary<Spec>[]>(
      fc.constantFrom(...CIDR_GROUPS.map(({ name }) => name), 'missing').map((cidrGroupRef) => ({ cidrGroupRef })),
      fc.constantFrom<Spec>({ matchLabels: { env: 'work' } }, { matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, {}).map((cidrGroupSelector) => ({ cidrGroupSelector })),
    ),
    fc.constantFrom<Spec>({}, { except: ['198.51.100.128/25'] }, { except: ['198.51.100.0/24', '2001:db8:c::1/128'] }),
  )
  .map(([group, except]) => ({ ...group, ...except }));

const service = fc.oneof<fc.Arbitrary<Spec>[]>(
  fc.tuple(fc.constantFrom('web', 'ext', 'missing'), object({ namespace: fc.constantFrom(...NAMESPACES) })).map(([serviceName, more]) => ({ k8sService: { serviceName, ...more } })),
  fc
    .tuple(fc.constantFrom<Spec>({}, { matchLabels: { role: 'data' } }, { matchExpressions: [{ key: 'role', operator: 'DoesNotExist' }] }), object({ namespace: fc.constantFrom(...NAMESPACES) }))
    .map(([selector, more]) => ({ k8sServiceSelector: { selector, ...more } })),
);

function peerFields(to: boolean, deny: boolean, features: Features): fc.Arbitrary<Spec> {
  const list = (name: string, one: fc.Arbitrary<unknown>, weight = 2): { weight: number; arbitrary: fc.Arbitrary<Spec> } => ({
    weight,
    arbitrary: fc.array(one, few).map((items) => ({ [`${to ? 'to' : 'from'}${name}`]: items })),
  });
  const entity = fc.constantFrom(...ENTITIES, ...(features.kubeApiserver ? ['kube-apiserver'] : []));
  const set = fc.oneof(block, ...when<Spec>(features.cidrGroups, cidrGroup));
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) as fc.Arbitrary<Spec> },
    list('Endpoints', ciliumSelector, 5),
    list('Entities', entity, 3),
    list('CIDR', fc.oneof(prefix, fc.constantFrom('203.0.113.7', '2001:db8:c::9'))),
    list('CIDRSet', set, 3),
    ...(features.nodes ? [list('Nodes', nodeSelector, 1)] : []),
    ...(features.providerGroups ? [list('Groups', fc.constantFrom(...PROVIDER_GROUPS), 1)] : []),
    ...(features.services && to ? [list('Services', service)] : []),
    ...(features.names && to && !deny ? [{ weight: 2, arbitrary: fc.array(fqdnSelector, some).map((toFQDNs): Spec => ({ toFQDNs })) }] : []),
  );
}

function entry(to: boolean, deny: boolean, features: Features): fc.Arbitrary<Spec> {
  const more = features.authentication && !deny ? fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constant({ authentication: { mode: 'required' } }) }) : fc.constant({});
  return fc.tuple(peerFields(to, deny, features), portFields(to, !deny, features), more).map(([peers, ports, rest]) => ({ ...peers, ...ports, ...rest }));
}

/** Names of services with ports are known of what they select: names stand in no rule about services. */
function spec(subject: fc.Arbitrary<Spec>, features: Features): fc.Arbitrary<Spec> {
  const entries = (to: boolean, deny: boolean): fc.Arbitrary<Spec[]> => fc.array(entry(to, deny, features), few);
  const sections = object({ ingress: entries(false, false), ingressDeny: entries(false, true), egress: entries(true, false), egressDeny: entries(true, true) });
  const defaultDeny = fc.option(object({ ingress: fc.boolean(), egress: fc.boolean() }), { nil: undefined, freq: 2 });
  return fc.tuple(subject, sections, defaultDeny, object({ log: fc.constantFrom({ value: 'seen' }) })).map(([who, written, enableDefaultDeny, more]) => ({
    ...who,
    ...(enableDefaultDeny === undefined ? {} : { enableDefaultDeny }),
    ...(Object.values(written).every((list) => (list as unknown[]).length === 0) ? { ingress: [{}] } : written),
    ...more,
  }));
}

const endpoints = fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 3, arbitrary: ciliumSelector }).map((endpointSelector): Spec => ({ endpointSelector }));

export function ciliumPolicy(features: Features): fc.Arbitrary<Json> {
  const { layer7, ...rest } = features;
  const nodePolicy = spec(nodeSelector.map((selector): Spec => ({ nodeSelector: selector })), { ...rest, layer7: false });
  const cluster = fc.oneof({ weight: 4, arbitrary: spec(endpoints, features) }, ...(features.hostPolicies ? [{ weight: 1, arbitrary: nodePolicy }] : []));
  const head = { apiVersion: 'cilium.io/v2' };
  const own = spec(endpoints, { ...rest, layer7 });
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(fc.oneof(own.map((one) => ({ spec: one })), fc.array(own, some).map((specs) => ({ specs }))), fc.constantFrom(...NAMESPACES, undefined)).map(([body, namespace]) => ({
        ...head, kind: 'CiliumNetworkPolicy', metadata: namespace === undefined ? {} : { namespace }, ...body,
      })),
    },
    {
      weight: 2,
      arbitrary: fc.oneof(cluster.map((one) => ({ spec: one })), fc.array(cluster, some).map((specs) => ({ specs }))).map((body) => ({
        ...head, kind: 'CiliumClusterwideNetworkPolicy', metadata: {}, ...body,
      })),
    },
  );
}

/** The CiliumCIDRGroups that are there, with some prefixes. */
export const cidrGroups: fc.Arbitrary<Json[]> = fc
  .tuple(fc.subarray([...CIDR_GROUPS]), fc.array(fc.uniqueArray(prefix, { minLength: 1, maxLength: 2 }), { minLength: CIDR_GROUPS.length, maxLength: CIDR_GROUPS.length }))
  .map(([groups, prefixes]) => groups.map((metadata, i) => ({ apiVersion: 'cilium.io/v2', kind: 'CiliumCIDRGroup', metadata, spec: { externalCIDRs: prefixes[i] } })));
