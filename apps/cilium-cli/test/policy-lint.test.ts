import type { AgentClient, Policy } from '@cilium-ts/agent-api';
import { expect, test } from 'vitest';
import { cilium } from './fake-io.ts';

const web = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: front}}]
    - fromEndpoints: [{matchLabels: {app: front, tier: a}}]
  ingressDeny:
    - fromCIDR: [10.0.0.0/24]
`;
const broken = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {}
`;
const impossible = web.replace('tier: a}', 'tier: a}, matchExpressions: [{key: app, operator: DoesNotExist}]');
const endpoints = `[{name: web, namespace: shop, labels: {app: web}}, {name: front, namespace: shop, labels: {app: frnt}}]`;
const files = { 'p/web.yaml': web, 'broken.yaml': broken, 'impossible.yaml': impossible, 'ids.yaml': endpoints, 'ids-bad.yaml': '- 7' };
const lint = (...args: string[]) => cilium(['policy', 'lint', ...args], { files });

test('names file, line, field, what is questionable, and the remedy', async () => {
  const { code, out } = await lint('p');
  expect(code).toBe(0);
  expect(out).toBe(
    'p/web.yaml:8:7: info: CiliumNetworkPolicy/shop/web spec.ingress[1]: CiliumNetworkPolicy/shop/web (p/web.yaml:7: spec.ingress[0]) allows all that this rule does (remove the rule) [redundant]\n0 errors, 0 warnings, 1 info',
  );
});

test('finds more where it is told who is there, and what addresses are the cluster’s', async () => {
  const { out } = await lint('p', '--identities', 'ids.yaml', '--cluster-cidr', '10.0.0.0/8');
  expect(out).toContain('no identity has app=front; did you mean frnt?');
  expect(out).toContain('[cidr-inside-cluster]');
});

test('exits as --fail-on says', async () => {
  expect((await lint('p', '--fail-on', 'info')).code).toBe(1);
  expect((await lint('p', '--fail-on', 'warning')).code).toBe(0);
  expect((await lint('impossible.yaml')).code).toBe(1);
  expect((await lint('impossible.yaml', '--fail-on', 'never')).code).toBe(0);
  expect((await lint('p', '--fail-on', 'everything')).err).toContain('--fail-on');
});

test('gives the same to machines', async () => {
  const { out } = await cilium(['-o', 'json', 'policy', 'lint', 'p'], { files });
  expect(JSON.parse(out)).toMatchObject([{ code: 'redundant', severity: 'info', file: 'p/web.yaml', line: 8, field: 'spec.ingress[1]', related: [{ field: 'spec.ingress[0]' }] }]);
});

test.each([
  [['broken.yaml'], 1, 'broken.yaml is not a file that an agent would accept'],
  [['missing.yaml'], 2, 'there is no policy file in missing.yaml'],
  [['p', '--identities', 'ids-bad.yaml'], 1, '--identities: ids-bad.yaml cannot be read'],
  [['p', '--identities', 'none.yaml'], 1, 'read none.yaml: no such file'],
  [['p', '--cluster-cidr', 'x'], 2, '--cluster-cidr: "x" is not a prefix'],
])('says what is wrong with the call %j', async (args, code, message) => {
  const run = await lint(...args);
  expect(run.code).toBe(code);
  expect(run.err).toContain(message);
});

test('asks the agent where no file is given, identities included', async () => {
  const document = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'web', namespace: 'shop' }, spec: { endpointSelector: { matchLabels: { app: 'wbe' } }, ingress: [{ fromEntities: ['host'] }] } };
  const agent: Partial<AgentClient> = {
    getPolicy: async () => ({ revision: 2, 'realized-revision': 2, policy: '[]', files: [], resources: [{ kind: 'CiliumNetworkPolicy', name: 'web', namespace: 'shop', key: 'k', source: 'api', status: 'accepted', document }] }) satisfies Policy,
    listIdentities: async () => [{ id: 300, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'] }],
  };
  const { code, out } = await cilium(['policy', 'lint', '--fail-on', 'warning'], { agent });
  expect(code).toBe(1);
  expect(out).toMatch(/^warning: CiliumNetworkPolicy\/shop\/web spec\.ingress\[0\]: none of the 1 known identities .*did you mean web\?\) \[selects-no-endpoint\]\n0 errors, 1 warning, 0 info$/);
});
