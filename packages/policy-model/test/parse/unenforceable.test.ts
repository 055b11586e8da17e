import { describe, expect, test } from 'vitest';
import { parsePolicies } from '../../src/index.ts';

/** Each field of Cilium's that this version cannot enforce, where it may stand. Columns count from the field's name. */
const RULE_FIELDS: [string, string][] = [
  ['ingress: [{ fromGroups: [{ aws: { region: x } }] }]', 'spec.ingress[0].fromGroups'],
  ['ingress: [{ fromNodes: [{}] }]', 'spec.ingress[0].fromNodes'],
  ['ingress: [{ fromNodes: [] }]', 'spec.ingress[0].fromNodes'],
  ['ingressDeny: [{ fromNodes: [{}] }]', 'spec.ingressDeny[0].fromNodes'],
  ['ingress: [{ fromRequires: [{}] }]', 'spec.ingress[0].fromRequires'],
  ['egress: [{ toRequires: [{}] }]', 'spec.egress[0].toRequires'],
  ['egress: [{ toGroups: [] }]', 'spec.egress[0].toGroups'],
  ['egress: [{ toNodes: [{}] }]', 'spec.egress[0].toNodes'],
  ['egress: [{ toServices: [{ k8sService: { serviceName: a } }] }]', 'spec.egress[0].toServices'],
  ['egressDeny: [{ toServices: [] }]', 'spec.egressDeny[0].toServices'],
  ['egress: [{ toFQDNs: [{ matchName: cilium.io }] }]', 'spec.egress[0].toFQDNs'],
  ['egress: [{ toCIDRSet: [{ cidrGroupRef: a }] }]', 'spec.egress[0].toCIDRSet[0].cidrGroupRef'],
  ['ingress: [{ fromCIDRSet: [{ cidrGroupSelector: {} }] }]', 'spec.ingress[0].fromCIDRSet[0].cidrGroupSelector'],
  ['ingress: [{ fromEntities: [kube-apiserver] }]', 'spec.ingress[0].fromEntities[0]'],
  ['egress: [{ toEntities: [host, kube-apiserver] }]', 'spec.egress[0].toEntities[1]'],
  ['ingress: [{ authentication: { mode: required } }]', 'spec.ingress[0].authentication.mode'],
  ['egress: [{ authentication: { mode: test-always-fail } }]', 'spec.egress[0].authentication.mode'],
  ['ingress: [{ toPorts: [{ ports: [{ port: http }] }] }]', 'spec.ingress[0].toPorts[0].ports[0].port'],
  ['egressDeny: [{ toPorts: [{ ports: [{ port: http-8080 }] }] }]', 'spec.egressDeny[0].toPorts[0].ports[0].port'],
  ['ingress: [{ toPorts: [{ rules: { http: [{ path: /x }] } }] }]', 'spec.ingress[0].toPorts[0].rules.http'],
  ['ingress: [{ toPorts: [{ rules: { http: [] } }] }]', 'spec.ingress[0].toPorts[0].rules.http'],
  ['egress: [{ toPorts: [{ rules: { dns: [{ matchPattern: "*" }] } }] }]', 'spec.egress[0].toPorts[0].rules.dns'],
  ['egress: [{ toPorts: [{ rules: { kafka: [{}] } }] }]', 'spec.egress[0].toPorts[0].rules.kafka'],
  ['egress: [{ toPorts: [{ rules: { l7: [{}] } }] }]', 'spec.egress[0].toPorts[0].rules.l7'],
  ['egress: [{ toPorts: [{ rules: { l7proto: r2d2 } }] }]', 'spec.egress[0].toPorts[0].rules.l7proto'],
  ['egress: [{ toPorts: [{ terminatingTLS: { secret: { name: a } } }] }]', 'spec.egress[0].toPorts[0].terminatingTLS'],
  ['egress: [{ toPorts: [{ originatingTLS: { secret: { name: a } } }] }]', 'spec.egress[0].toPorts[0].originatingTLS'],
  ['egress: [{ toPorts: [{ serverNames: [cilium.io] }] }]', 'spec.egress[0].toPorts[0].serverNames'],
  ['egress: [{ toPorts: [{ listener: { name: a } }] }]', 'spec.egress[0].toPorts[0].listener'],
  ['nodeSelector: {}\n  ingress: [{}]', 'spec.nodeSelector'],
];

describe.each(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'])('%s', (kind) => {
  test.each(RULE_FIELDS)('%s is refused', (spec, field) => {
    const head = `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: web }\nspec:\n  endpointSelector: {}\n`;
    const { resources, issues } = parsePolicies(`${head}  ${spec}\n`, { file: 'shop.yaml' });
    expect(resources).toEqual([]);
    expect(issues).toHaveLength(1);
    const last = field.split('.').at(-1)!.replace(/\[\d\]$/, '');
    const pointed = last === 'mode' || last === 'port' ? undefined : spec.indexOf(`${last}:`) + 3;
    expect(issues[0]).toMatchObject({ severity: 'error', code: 'unenforceable', file: 'shop.yaml', line: 6, field });
    if (pointed !== undefined && !field.includes('Entities')) expect(issues[0]!.column).toBe(pointed);
    expect(issues[0]!.message).toMatch(/cannot be enforced/);
    expect(issues[0]!.remedy).not.toBe('');
  });
});

test('a named port of a NetworkPolicy is refused', () => {
  const text = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web }
spec:
  podSelector: {}
  ingress:
    - ports:
        - port: http
`;
  const { resources, issues } = parsePolicies(text, { file: 'shop.yaml' });
  expect(resources).toEqual([]);
  expect(issues).toEqual([
    {
      file: 'shop.yaml',
      line: 8,
      column: 17,
      field: 'spec.ingress[0].ports[0].port',
      resource: 'NetworkPolicy/default/web',
      severity: 'error',
      code: 'unenforceable',
      message: 'the named port "http" cannot be enforced: the container ports of pods are not known to this version',
      remedy: 'write the port number',
    },
  ]);
});
