import { describe, expect, it } from 'vitest';
import { featuresOf, readPolicies } from '../../src/policy/read-policies.ts';

const read = (text: string, services?: string) => readPolicies(text, { file: 'a.yaml', features: featuresOf({ 'service-dir': services }) });
const cnp = (spec: string, selector = 'endpointSelector: {}', kind = 'CiliumNetworkPolicy') => `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {name: x}\nspec:\n  ${selector}\n  ${spec}\n`;
const http = 'ports: [{port: "80", protocol: TCP}]';
const tier = (rule: string) => `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: x}\nspec:\n  {tier: Admin, priority: 1, subject: {namespaces: {}}, ${rule}}\n`;

describe('what the datapath can not enforce is refused, with place and remedy', () => {
  it.each([
    ['names', cnp('egress: [{toFQDNs: [{matchName: a.b}]}]')],
    ['services', cnp('egress: [{toServices: [{k8sService: {serviceName: a}}]}]')],
    ['services that are denied', cnp('egressDeny: [{toServices: [{k8sService: {serviceName: a}}]}]')],
    ['provider groups', cnp('egress: [{toGroups: [{aws: {region: a}}]}]')],
    ['nodes', cnp('ingress: [{fromNodes: [{}]}]')],
    ['the API server', cnp('ingress: [{fromEntities: [kube-apiserver]}]')],
    ['named ports', cnp('ingress: [{toPorts: [{ports: [{port: web}]}]}]')],
    ['named ports that are denied', cnp('ingressDeny: [{toPorts: [{ports: [{port: web}]}]}]')],
    ['HTTP', cnp(`ingress: [{toPorts: [{${http}, rules: {http: [{path: /}]}}]}]`)],
    ['an empty list of HTTP rules', cnp(`ingress: [{toPorts: [{${http}, rules: {http: []}}]}]`)],
    ['Kafka', cnp(`ingress: [{toPorts: [{${http}, rules: {kafka: [{}]}}]}]`)],
    ['DNS', cnp('egress: [{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]}]')],
    ['other parsers', cnp(`ingress: [{toPorts: [{${http}, rules: {l7proto: redis}}]}]`)],
    ['server names', cnp(`egress: [{toPorts: [{${http}, serverNames: [a.b]}]}]`)],
    ['keys for TLS', cnp(`egress: [{toPorts: [{${http}, terminatingTLS: {secret: {name: a}}}]}]`)],
    ['listeners', cnp(`egress: [{toPorts: [{${http}, listener: {name: a, envoyConfig: {name: b}}}]}]`)],
    ['policies for nodes', cnp('ingress: [{}]', 'nodeSelector: {}', 'CiliumClusterwideNetworkPolicy')],
    ['nodes of a tier', tier('egress: [{action: Deny, to: [{nodes: {}}]}]')],
    ['names of a tier', tier('egress: [{action: Accept, to: [{domainNames: [a.b]}]}]')],
    ['named ports of a NetworkPolicy', 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\nspec: {podSelector: {}, ingress: [{ports: [{port: web}]}]}\n'],
  ])('%s', (_, text) => {
    const { resources, issues } = read(text);
    expect(resources).toEqual([]);
    expect(issues.map(({ code, severity, file }) => `${file} ${severity} ${code}`)).toEqual(['a.yaml error unenforceable']);
    expect(issues[0]?.remedy).not.toBe('');
  });
});

it('refuses the resource, not its neighbours', () => {
  const { resources, issues } = readPolicies(`${cnp('ingress: [{}]').replace('name: x', 'name: good')}---\n${cnp('egress: [{toFQDNs: [{matchName: a.b}]}]')}`, { file: 'a.yaml', features: featuresOf({ 'service-dir': undefined }) });
  expect(resources.map(({ name }) => name)).toEqual(['good']);
  expect(issues).toHaveLength(1);
});

it.each([
  ['tiers', tier('ingress: [{action: Pass, from: [{namespaces: {}}]}]'), []],
  ['groups of prefixes', cnp('egress: [{toCIDRSet: [{cidrGroupRef: a}]}]'), []],
  ['authentication, with a warning', cnp('ingress: [{authentication: {mode: required}}]'), ['unenforced']],
])('takes %s', (_, text, codes) => {
  const { resources, issues } = read(text);
  expect(resources).toHaveLength(1);
  expect(issues.map(({ code }) => code)).toEqual(codes);
});

it('takes rules by service where it is told of services', () => {
  const text = cnp('egress: [{toServices: [{k8sService: {serviceName: a}}]}]\n  egressDeny: [{toServices: [{k8sServiceSelector: {selector: {}}}]}]');
  expect(read(text, '/services')).toMatchObject({ resources: [{}], issues: [] });
  expect(read(text).issues.map(({ remedy }) => remedy)).toEqual([expect.stringContaining('--service-dir'), expect.stringContaining('--service-dir')]);
});
