import { describe, expect, test } from 'vitest';
import { formatIssue, parsePolicies } from '../../src/index.ts';

const parse = (text: string) => parsePolicies(text, { file: 'shop.yaml' });
const lines = (text: string): string[] => parse(text).issues.map(({ file, line, column, code, field }) => `${file}:${line}:${column} ${code} ${field}`);

const HEAD = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: web, namespace: shop }
spec:
  endpointSelector: {}
`;

describe('syntax', () => {
  test('a document that is not YAML is an issue with its place, and does not hide the others', () => {
    const { resources, issues } = parse(`kind: [\n---\n${HEAD}  ingress: [{}]\n---\na: 1\n b: 2\n`);
    expect(resources.map(({ key }) => key)).toEqual(['CiliumNetworkPolicy/shop/web']);
    expect(issues.map(({ line, code }) => `${line} ${code}`)).toEqual(['2 malformed', '11 malformed']);
    expect(issues[0]).toMatchObject({ file: 'shop.yaml', severity: 'error', field: '' });
    expect(issues[0]!.message).toMatch(/^the text is not valid YAML or JSON: /);
  });

  test('a key twice in one object is an error', () => {
    expect(lines(`${HEAD}  ingress: [{}]\n  ingress: [{}]\n`)).toEqual(['shop.yaml:7:3 malformed ']);
  });

  test('empty text, comments and empty documents hold nothing', () => {
    expect(parse('')).toEqual({ resources: [], issues: [] });
    expect(parse('# nothing\n---\n---\n# more\n')).toEqual({ resources: [], issues: [] });
  });

  test('aliases are followed, bombs of them are refused', () => {
    const shared = `${HEAD}  ingress:\n    - &rule { fromEntities: [world] }\n    - *rule\n`;
    expect(parse(shared).resources[0]!.rules).toHaveLength(2);
    const levels = 'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${String.fromCharCode(97 + i)}`).join(',')}]`);
    expect(lines(`a: &a [1]\n${levels.join('\n')}\n`)).toEqual(['shop.yaml:4:8 malformed ']);
  });

  test('JSON is read too, tabs and all', () => {
    const { resources, issues } = parse('{\n\t"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",\n\t"metadata": {"name": "web"},\n\t"spec": {"endpointSelector": {}, "ingress": [{}], "egres": []}\n}');
    expect(resources).toEqual([]);
    expect(issues.map(formatIssue)).toEqual(['shop.yaml:4:52: error: CiliumNetworkPolicy/default/web spec.egres: unknown field "egres" (did you mean egress?)']);
  });

  test('text without a file says only the line', () => {
    expect(parsePolicies('kind: Pod').issues.map(formatIssue)).toEqual([
      'line 1:7: error: kind: Pod is not a policy (only CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and Lists of them are read)',
    ]);
  });
});

describe('objects', () => {
  test('Lists are taken apart; fields are named within their item', () => {
    const text = `apiVersion: v1
kind: List
items:
  - apiVersion: cilium.io/v2
    kind: CiliumNetworkPolicy
    metadata: { name: one, namespace: shop }
    spec: { endpointSelector: {}, ingress: [{}] }
  - apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: { name: two }
    spec:
      podSelector: {}
      ingres: []
`;
    const { resources, issues } = parse(text);
    expect(resources.map(({ key }) => key)).toEqual(['CiliumNetworkPolicy/shop/one']);
    expect(issues.map(formatIssue)).toEqual(['shop.yaml:13:7: error: NetworkPolicy/default/two spec.ingres: unknown field "ingres" (did you mean ingress?)']);
    expect(resources[0]!.rules[0]!.at).toEqual({ file: 'shop.yaml', line: 7, column: 45, field: 'spec.ingress[0]' });
  });

  test('lists of one kind, as the API server returns them', () => {
    const item = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'a' }, spec: { endpointSelector: {}, egress: [{}] } };
    const { resources, issues } = parse(JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicyList', metadata: { resourceVersion: '7' }, items: [item] }));
    expect([resources.length, issues.length]).toEqual([1, 0]);
  });

  test('a live object is accepted with its status and metadata', () => {
    const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web
  namespace: shop
  uid: 4b1d9c8e-8f1b-4b52-9b3f-6f1f9a1d0c55
  resourceVersion: "1234"
  generation: 3
  creationTimestamp: null
  labels: { team: shop }
  annotations: { note: "a: b" }
  finalizers: [x]
  ownerReferences: [{ kind: Helm }]
  managedFields: [{ manager: kubectl }]
spec:
  description: for the web
  labels: [{ key: origin, value: hand, source: k8s }]
  log: { value: web }
  endpointSelector: {}
  ingress:
    - fromRequires: []
      fromEntities: [world]
      authentication: { mode: disabled }
      toPorts: [{ ports: [{ port: "80" }], rules: {} }]
status:
  conditions: [{ type: Valid, status: "True" }]
`;
    const { resources, issues } = parse(text);
    expect(issues).toEqual([]);
    expect(resources[0]).toMatchObject({ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', key: 'CiliumNetworkPolicy/shop/web', file: 'shop.yaml' });
    expect(resources[0]!.rules[0]!.description).toBe('for the web');
    expect(resources[0]!.document).toMatchObject({ metadata: { uid: '4b1d9c8e-8f1b-4b52-9b3f-6f1f9a1d0c55' }, status: { conditions: [{ type: 'Valid' }] } });
  });

  test('spec and specs are both read', () => {
    const { resources } = parse(`${HEAD}  ingress: [{}]\nspecs:\n  - endpointSelector: {}\n    egress: [{}, {}]\n`);
    expect(resources[0]!.rules.map(({ at }) => at.field)).toEqual(['spec.ingress[0]', 'specs[0].egress[0]', 'specs[0].egress[1]']);
  });

  test('namespaced policies without a namespace are in default, cluster-wide ones have none', () => {
    const cluster = 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: { name: a }\nspec: { endpointSelector: {}, ingress: [{}] }\n';
    const kubernetes = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: { podSelector: {} }\n';
    expect(parse(`${cluster}---\n${kubernetes}`).resources.map(({ key, namespace }) => [key, namespace])).toEqual([
      ['CiliumClusterwideNetworkPolicy//a', undefined],
      ['NetworkPolicy/default/a', 'default'],
    ]);
  });

  test('the same resource twice is an error of the second', () => {
    const { resources, issues } = parse(`${HEAD}  ingress: [{}]\n---\n${HEAD}  egress: [{}]\n`);
    expect(resources).toHaveLength(1);
    expect(issues.map(formatIssue)).toEqual(['shop.yaml:10:19: error: CiliumNetworkPolicy/shop/web metadata.name: CiliumNetworkPolicy/shop/web occurs twice in this text (rename one of them)']);
  });

  test.each([
    ['kind: CiliumNetworkPolcy', 'shop.yaml:1:7 unknown-kind kind', 'did you mean CiliumNetworkPolicy?'],
    ['apiVersion: v1\nkind: Pod', 'shop.yaml:2:7 unknown-kind kind', 'only CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and Lists of them are read'],
    ['hello', 'shop.yaml:1:1 unknown-kind ', 'only CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and Lists of them are read'],
    ['- 1', 'shop.yaml:1:1 unknown-kind ', 'only CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and Lists of them are read'],
  ])('%j is no policy', (text, expected, remedy) => {
    expect(lines(text)).toEqual([expected]);
    expect(parse(text).issues[0]!.remedy).toBe(remedy);
  });
});

describe('shape', () => {
  test.each<[string, string, string, string]>([
    ['  ingres: [{}]', '6:3 unknown-field spec.ingres', 'unknown field "ingres"', 'did you mean ingress?'],
    ['  ingress: [{}]\n  zzz: 1', '7:3 unknown-field spec.zzz', 'unknown field "zzz"', 'remove it; the fields here are endpointSelector, nodeSelector, ingress, ingressDeny, egress, egressDeny, enableDefaultDeny, labels, description, log'],
    ['  ingress:\n    - fromEndpoint: [{}]', '7:7 unknown-field spec.ingress[0].fromEndpoint', 'unknown field "fromEndpoint"', 'did you mean fromEndpoints?'],
    ['  egress:\n    - toPorts:\n        - ports:\n            - { port: "80", proto: TCP }', '9:29 unknown-field spec.egress[0].toPorts[0].ports[0].proto', 'unknown field "proto"', 'did you mean protocol?'],
    ['  ingress: {}', '6:3 wrong-type spec.ingress', 'expected a list, found an object', 'write it as a list: one "- " item per line'],
    ['  ingress:\n    - fromEndpoints: [{ matchLabels: { app: 1 } }]', '7:45 wrong-type spec.ingress[0].fromEndpoints[0].matchLabels.app', 'expected a string, found the number 1', 'write it in quotes: "1"'],
    ['  ingress:\n    - fromEndpoints: [{ matchLabels: { pci: true } }]', '7:45 wrong-type spec.ingress[0].fromEndpoints[0].matchLabels.pci', 'expected a string, found the boolean true', 'write it in quotes: "true"'],
    ['  ingress:\n    - toPorts:\n        - ports:\n            - port: 80', '9:21 wrong-type spec.ingress[0].toPorts[0].ports[0].port', 'expected a string, found the number 80', 'write it in quotes: "80"'],
    ['  ingress:\n    - toPorts:\n        - ports:\n            - { port: "80", endPort: "90" }', '9:38 wrong-type spec.ingress[0].toPorts[0].ports[0].endPort', 'expected a number, found the string "90"', 'write a number'],
    ['  ingress:\n    - toPorts:\n        - ports:\n            - { port: "80", endPort: 65536 }', '9:38 invalid-value spec.ingress[0].toPorts[0].ports[0].endPort', 'the number 65536 is not accepted', 'use at most 65535'],
    ['  ingress:\n    - fromEndpoints:', '7:21 wrong-type spec.ingress[0].fromEndpoints', 'expected a list, found nothing (null)', 'give it a value or remove the field; an empty field is not the same as an absent one'],
    ['  ingress: [{}]\n  enableDefaultDeny: { ingress: "no" }', '7:33 wrong-type spec.enableDefaultDeny.ingress', 'expected a boolean, found the string "no"', 'write true or false, without quotes'],
    ['  ingress: [{}]\n  description: [a]', '7:3 wrong-type spec.description', 'expected a string, found a list', 'write a string'],
    ['  ingress:\n    - icmps: [{ fields: [{ family: IPv5, type: 8 }] }]', '7:36 invalid-value spec.ingress[0].icmps[0].fields[0].family', 'the string "IPv5" is not accepted', 'did you mean IPv4? The choice is IPv4, IPv6'],
    ['  ingress:\n    - icmps: [{ fields: [{ family: IPv4 }] }]', '7:26 missing-field spec.ingress[0].icmps[0].fields[0].type', 'the field type is missing', 'add it as an integer or a string'],
    ['  ingress:\n    - icmps: [{ fields: [{ type: [8] }] }]', '7:28 wrong-type spec.ingress[0].icmps[0].fields[0].type', 'expected an integer or a string, found a list', 'write an integer or a string'],
    ['  ingress:\n    - fromEndpoints: [{ matchExpressions: [{ key: app, operator: Gt, values: ["1"] }] }]', '7:66 invalid-value spec.ingress[0].fromEndpoints[0].matchExpressions[0].operator', 'the string "Gt" is not accepted', 'use one of In, NotIn, Exists, DoesNotExist'],
    [`  ingress: [{}]\n  log: { value: "${'x'.repeat(33)}" }`, '7:17 invalid-value spec.log.value', `the string "${'x'.repeat(33)}" is not accepted`, 'use at most 32 characters'],
    ['  ingress: [{}]\nsatus: {}', '7:1 unknown-field satus', 'unknown field "satus"', 'did you mean status?'],
  ])('%j', (spec, place, message, remedy) => {
    const { resources, issues } = parse(`${HEAD}${spec}\n`);
    expect(resources).toEqual([]);
    expect(lines(`${HEAD}${spec}\n`)).toEqual([`shop.yaml:${place}`]);
    expect(issues[0]).toMatchObject({ resource: 'CiliumNetworkPolicy/shop/web', severity: 'error', message, remedy });
  });

  test('every wrong field is reported, not just the first', () => {
    expect(lines(`${HEAD}  ingres: []\n  egress: 1\n  ingressDeny: [{ toPort: [] }]\n`)).toEqual([
      'shop.yaml:6:3 unknown-field spec.ingres',
      'shop.yaml:7:11 wrong-type spec.egress',
      'shop.yaml:8:19 unknown-field spec.ingressDeny[0].toPort',
    ]);
  });

  test.each([
    ['metadata: { name: web, namspace: shop }', '3:24 unknown-field metadata.namspace'],
    ['metadata: { namespace: shop }', '3:1 missing-field metadata.name'],
    ['metadata: { name: Web }', '3:19 invalid-value metadata.name'],
    ['metadata: { name: a/b }', '3:19 invalid-value metadata.name'],
    ['metadata: { name: web, labels: [a] }', '3:24 wrong-type metadata.labels'],
  ])('%s', (metadata, place) => {
    expect(lines(`apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n${metadata}\nspec: { endpointSelector: {}, ingress: [{}] }\n`)).toEqual([`shop.yaml:${place}`]);
  });

  test.each([
    ['apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy', '1:13 invalid-value apiVersion', 'use cilium.io/v2'],
    ['apiVersion: extensions/v1beta1\nkind: NetworkPolicy', '1:13 invalid-value apiVersion', 'use networking.k8s.io/v1'],
  ])('%j', (head, place, remedy) => {
    const text = `${head}\nmetadata: { name: a }\nspec: { ${head.includes('Cilium') ? 'endpointSelector: {}, ingress: [{}]' : 'podSelector: {}'} }\n`;
    expect(lines(text)).toEqual([`shop.yaml:${place}`]);
    expect(parse(text).issues[0]!.remedy).toBe(remedy);
  });

  test('keys that objects inherit are unknown fields, not crashes', () => {
    expect(lines(`${HEAD}  ingress: [{}]\n  constructor: 1\n  toString: 2\n  __proto__: { a: 1 }\n`).map((line) => line.split(' ')[1])).toContain('unknown-field');
    expect(parse(`${HEAD}  ingress: [{}]\n  __proto__: { a: 1 }\n`).resources).toEqual([]);
  });
});
