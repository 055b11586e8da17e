import { describe, expect, test } from 'vitest';
import type { EnforceableFeatures } from '../../src/index.ts';
import { DATAPATH_FEATURES, checkEnforceable, parsePolicies } from '../../src/index.ts';

const NONE = Object.fromEntries(Object.keys(DATAPATH_FEATURES).map((name) => [name, false])) as unknown as EnforceableFeatures;
const ALL = Object.fromEntries(Object.keys(DATAPATH_FEATURES).map((name) => [name, true])) as unknown as EnforceableFeatures;

/** The issues of a text that must be good otherwise. */
function check(text: string, features: EnforceableFeatures) {
  const { resources, issues } = parsePolicies(text, { file: 'shop.yaml' });
  expect(issues.filter(({ severity }) => severity === 'error')).toEqual([]);
  return checkEnforceable(resources, features);
}

const tcp80 = 'ports: [{ port: "80", protocol: TCP }]';

/** Each field of Cilium's that needs more than a datapath, the feature that it needs, and where it stands. */
const RULE_FIELDS: [string, keyof EnforceableFeatures, string][] = [
  ['ingress: [{ fromGroups: [{ aws: { region: x } }] }]', 'groups', 'spec.ingress[0].fromGroups[0]'],
  ['egressDeny: [{ toGroups: [{ aws: {} }] }]', 'groups', 'spec.egressDeny[0].toGroups[0]'],
  ['ingress: [{ fromNodes: [{}] }]', 'nodes', 'spec.ingress[0].fromNodes[0]'],
  ['egressDeny: [{ toNodes: [{}] }]', 'nodes', 'spec.egressDeny[0].toNodes[0]'],
  ['egress: [{ toServices: [{ k8sService: { serviceName: a } }] }]', 'services', 'spec.egress[0].toServices[0]'],
  ['egressDeny: [{ toServices: [{ k8sServiceSelector: { selector: {} } }] }]', 'services', 'spec.egressDeny[0].toServices[0]'],
  ['egress: [{ toFQDNs: [{ matchName: cilium.io }] }]', 'fqdn', 'spec.egress[0].toFQDNs[0]'],
  ['egress: [{ toCIDRSet: [{ cidrGroupRef: a }] }]', 'cidrGroups', 'spec.egress[0].toCIDRSet[0]'],
  ['ingress: [{ fromCIDRSet: [{ cidrGroupSelector: {} }] }]', 'cidrGroups', 'spec.ingress[0].fromCIDRSet[0]'],
  ['egress: [{ toEntities: [host, kube-apiserver] }]', 'kubeApiserver', 'spec.egress[0].toEntities[1]'],
  ['ingress: [{ toPorts: [{ ports: [{ port: http }] }] }]', 'namedPorts', 'spec.ingress[0].toPorts[0].ports[0].port'],
  ['egressDeny: [{ toPorts: [{ ports: [{ port: http-8080 }] }] }]', 'namedPorts', 'spec.egressDeny[0].toPorts[0].ports[0].port'],
  [`ingress: [{ toPorts: [{ ${tcp80}, rules: { http: [{ path: /x }] } }] }]`, 'l7', 'spec.ingress[0].toPorts[0].rules.http'],
  [`ingress: [{ toPorts: [{ ${tcp80}, rules: { http: [] } }] }]`, 'l7', 'spec.ingress[0].toPorts[0].rules.http'],
  [`egress: [{ toPorts: [{ ${tcp80}, rules: { dns: [{ matchPattern: "*" }] } }] }]`, 'l7', 'spec.egress[0].toPorts[0].rules.dns'],
  [`egress: [{ toPorts: [{ ${tcp80}, rules: { kafka: [{}] } }] }]`, 'l7', 'spec.egress[0].toPorts[0].rules.kafka'],
  [`egress: [{ toPorts: [{ ${tcp80}, rules: { l7proto: r2d2 } }] }]`, 'l7', 'spec.egress[0].toPorts[0].rules.l7proto'],
  [`egress: [{ toPorts: [{ ${tcp80}, terminatingTLS: { secret: { name: a } } }] }]`, 'tls', 'spec.egress[0].toPorts[0].terminatingTLS'],
  [`egress: [{ toPorts: [{ ${tcp80}, originatingTLS: { secret: { name: a } } }] }]`, 'tls', 'spec.egress[0].toPorts[0].originatingTLS'],
  [`egress: [{ toPorts: [{ ${tcp80}, serverNames: [cilium.io] }] }]`, 'tls', 'spec.egress[0].toPorts[0].serverNames'],
  [`egress: [{ toPorts: [{ ${tcp80}, listener: { name: a, envoyConfig: { name: b } } }] }]`, 'listeners', 'spec.egress[0].toPorts[0].listener'],
];

describe.each(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'])('%s', (kind) => {
  test.each(RULE_FIELDS)('%s needs %s', (spec, feature, field) => {
    const text = `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: web }\nspec:\n  endpointSelector: {}\n  ${spec}\n`;
    expect(check(text, ALL)).toEqual([]);
    expect(check(text, { ...NONE, [feature]: true })).toEqual([]);
    const issues = check(text, { ...ALL, [feature]: false });
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ severity: 'error', code: 'unenforceable', file: 'shop.yaml', line: 6, field });
    expect(issues[0]!.resource).toMatch(/web$/);
    expect(issues[0]!.message).toMatch(/cannot be enforced: \S/);
    expect(issues[0]!.remedy).not.toBe('');
  });
});

const TIER = 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: { name: a }\nspec:\n  tier: Admin\n  priority: 0\n  subject: { namespaces: {} }\n';

test.each<[string, keyof EnforceableFeatures, string]>([
  ['apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: { name: a }\nspec: { nodeSelector: {}, ingress: [{}] }', 'hostFirewall', 'spec.ingress[0]'],
  ['apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: a }\nspec: { endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{}] } }] }], egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{}] } }] }] }', 'l7', 'spec.ingress[0].toPorts[0].rules.http spec.egress[0].toPorts[0].rules.http'],
  ['apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: { podSelector: {}, ingress: [{ ports: [{ port: http }] }] }', 'namedPorts', 'spec.ingress[0].ports[0].port'],
  [`${TIER}  ingress: [{ action: Pass, from: [{ namespaces: {} }] }]`, 'tiers', 'spec.ingress[0]'],
  [`${TIER}  egress: [{ action: Accept, to: [{ nodes: {} }] }]`, 'nodes', 'spec.egress[0].to[0].nodes'],
  [`${TIER}  egress: [{ action: Accept, to: [{ domainNames: ['*.example.com'] }] }]`, 'fqdn', 'spec.egress[0].to[0]'],
  [`${TIER}  ingress: [{ action: Deny, from: [{ namespaces: {} }], protocols: [{ destinationNamedPort: http }] }]`, 'namedPorts', 'spec.ingress[0].protocols[0].destinationNamedPort'],
])('%j needs %s', (text, feature, fields) => {
  expect(check(text, ALL)).toEqual([]);
  expect(check(text, { ...ALL, [feature]: false }).map(({ field }) => field).join(' ')).toBe(fields);
});

test('messages say the reason and what to write instead', () => {
  const text = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: web }\nspec:\n  podSelector: {}\n  ingress:\n    - ports:\n        - port: http\n';
  expect(check(text, NONE)).toEqual([
    {
      file: 'shop.yaml',
      line: 8,
      column: 11,
      field: 'spec.ingress[0].ports[0].port',
      resource: 'NetworkPolicy/default/web',
      severity: 'error',
      code: 'unenforceable',
      message: 'the named port "http" cannot be enforced: the container ports of pods are not known to this version',
      remedy: 'write the port number',
    },
  ]);
});

test('what enforces nothing needs nothing: peers that select nobody, port rules without ports, authentication', () => {
  const rules = 'ingress: [{ fromNodes: [] }, { toPorts: [{ rules: { http: [{}] } }] }, { authentication: { mode: required } }]\n  egress: [{ toServices: [] }]';
  expect(check(`apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: web }\nspec:\n  endpointSelector: {}\n  ${rules}\n`, NONE)).toEqual([]);
});
