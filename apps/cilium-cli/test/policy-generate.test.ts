import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { cilium } from './fake-io.ts';

const end = (app: string) => ({ labels: { app }, namespace: 'shop' });
const lines = (...values: unknown[]) => values.map((value) => JSON.stringify(value)).join('\n');
const place = ['k8s:io.cilium.k8s.policy.cluster=default', 'k8s:io.kubernetes.pod.namespace=shop'];
const monitor = {
  type: 'policy-verdict', timestamp: 't', protocol: 'TCP', direction: 'ingress', action: 'allow', match: 'l4',
  source: { ip: '10.0.0.1', port: 4, identity: 300, labels: ['k8s:app=web', ...place] },
  destination: { ip: '10.0.0.2', port: 80, identity: 301, labels: ['k8s:app=db', ...place] },
};
const files = {
  'flows.jsonl': lines({ from: end('web'), to: end('db'), port: 5432 }, { from: end('web'), to: { ip: '192.0.2.7' }, port: 443 }),
  'monitor.jsonl': lines({ type: 'start', timestamp: 't', since: 't', missed: 0 }, monitor),
  'bad.jsonl': '{\n7',
  'mixed.jsonl': lines({ from: end('web'), to: end('db'), port: 5432 }, 7, { from: end('web'), to: end('db'), protocol: 47 }),
  'ids.yaml': '- { name: lazy, namespace: idle, labels: { app: lazy } }',
};
const run = (...args: string[]) => cilium(['policy', 'generate', ...args], { files });
const documents = (out: string) => parseAllDocuments(out).map((document) => (document as { toJS(): { kind: string; metadata: { name: string; namespace: string } } }).toJS());

test('prints policies that can be imported', async () => {
  const { code, out, err } = await run('--flows', 'flows.jsonl');
  expect([code, err]).toEqual([0, '']);
  expect(documents(out).map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(['CiliumNetworkPolicy shop/db', 'CiliumNetworkPolicy shop/web']);
  expect(out).toContain('- 192.0.2.7/32');
  const validated = await cilium(['policy', 'validate', 'generated.yaml'], { files: { 'generated.yaml': out } });
  expect(validated.code).toBe(0);
});

test('takes what cilium monitor prints, and identities without flows', async () => {
  const { code, out } = await run('--flows', 'monitor.jsonl', '--identities', 'ids.yaml', '--kind', 'netpol');
  expect(code).toBe(0);
  expect(documents(out).map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(['NetworkPolicy idle/default-deny', 'NetworkPolicy shop/db', 'NetworkPolicy shop/web']);
});

test('takes identities of the agent', async () => {
  const agent = { listIdentities: async () => [{ id: 300, labels: ['k8s:app=lazy', 'k8s:io.kubernetes.pod.namespace=idle'] }] };
  const { out } = await cilium(['policy', 'generate', '--flows', 'flows.jsonl', '--agent'], { files, agent });
  expect(documents(out)[0]!.metadata).toEqual({ name: 'default-deny', namespace: 'idle' });
});

test('groups addresses outside as asked', async () => {
  expect((await run('--flows', 'flows.jsonl', '--world-prefix', '192.0.2.0/24')).out).toContain('- 192.0.2.0/24');
  expect((await run('--flows', 'flows.jsonl', '--world', 'entity')).out).toContain('- world');
});

test('says which lines cannot be read, and which flows no policy can allow', async () => {
  const { code, out, err } = await run('--flows', 'mixed.jsonl');
  expect(code).toBe(1);
  expect(documents(out)).toHaveLength(2);
  expect(err).toBe('mixed.jsonl:2: error: is no object (write one JSON object a line)\nnote: the protocol 47 cannot be allowed by itself\ncilium: 1 of 2 flows are not allowed by these policies, the first in mixed.jsonl:3');
});

test('gives the same to machines', async () => {
  const { out } = await cilium(['-o', 'json', 'policy', 'generate', '--flows', 'flows.jsonl'], { files });
  expect(JSON.parse(out)).toMatchObject({ policies: [{ metadata: { name: 'db' } }, { metadata: { name: 'web' } }], notes: [], denied: [] });
});

test.each([
  [['--flows', 'bad.jsonl'], 1, '--flows: bad.jsonl holds no flow that can be read'],
  [['--flows', 'none.jsonl'], 1, 'read none.jsonl: no such file'],
  [['--flows', 'flows.jsonl', '--world-prefix', 'x'], 2, '--world-prefix: "x" is not a prefix'],
  [['--flows', 'flows.jsonl', '--world-prefix', '192.0.2.0/24', '--world', 'entity'], 2, 'exclude each other'],
])('says what is wrong with the call %j', async (args, code, message) => {
  const result = await run(...args);
  expect(result.code).toBe(code);
  expect(result.err).toContain(message);
});
