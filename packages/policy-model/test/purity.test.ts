import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, expect, test } from 'vitest';

/** The whole package as one script for browsers. */
let script = '';
let inputs: string[] = [];

beforeAll(async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: "export * from '@cilium-ts/policy-model'; export * from '@cilium-ts/identity';", resolveDir: join(import.meta.dirname, '..'), loader: 'ts' },
    bundle: true,
    format: 'iife',
    globalName: 'policies',
    platform: 'browser',
    conditions: ['@cilium-ts/source'],
    metafile: true,
    write: false,
  });
  script = outputFiles[0]!.text;
  inputs = Object.keys(metafile.inputs);
});

test('nothing of Node is imported', () => {
  expect(inputs.filter((path) => path.startsWith('node:') || path.includes('(disabled)'))).toEqual([]);
  expect(script).not.toMatch(/\brequire\(["']/);
});

/** What a page's script may find, besides the language itself. */
function browser(): Record<string, unknown> {
  const missing = (name: string) => ({ get: () => { throw new Error(`${name} is not there in a browser`); }, configurable: true });
  const globals = { TextEncoder, TextDecoder, URL, structuredClone, queueMicrotask, performance: { now: () => 0 }, console: {} };
  return Object.defineProperties(globals, { process: missing('process'), Buffer: missing('Buffer'), global: missing('global'), require: missing('require'), setImmediate: missing('setImmediate') });
}

test('in a browser it reads, checks, compiles, explains and asks', () => {
  const context = createContext(browser());
  runInContext(script, context);
  const told: unknown = runInContext(
    `(() => {
      const { parsePolicies, checkEnforceable, DATAPATH_FEATURES, createPolicyRepository, compilePolicy, explain, lint, formatIssue, numericIdentity, labelSet, DEFAULT_POLICY_OPTIONS: options } = policies;
      const text = 'apiVersion: cilium.io/v2\\nkind: CiliumNetworkPolicy\\nmetadata: { name: a, namespace: shop }\\nspec:\\n  endpointSelector: {}\\n  ingress:\\n    - fromEndpoints: [{ matchLabels: { app: web } }]\\n      toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ path: "/a.*" }] } }]\\n';
      const { resources, issues } = parsePolicies(text, { file: 'a.yaml' });
      const repository = createPolicyRepository();
      repository.replaceAll(resources);
      const pod = (id, app) => ({ id: numericIdentity(id), labels: labelSet(['k8s:app=' + app, 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default']) });
      const [web, db] = [pod(256, 'web'), pod(257, 'db')];
      const ask = (path) => explain({ repository, from: web, to: db, protocol: 6, port: 80, l7: { http: { method: 'GET', path } }, options }).verdict;
      const { ingress } = compilePolicy({ repository, subject: db, identities: [web, db], options });
      return JSON.stringify([
        issues.length, ask('/abc'), ask('/b'), ingress.enforced,
        checkEnforceable(resources, DATAPATH_FEATURES).map(({ code }) => code),
        parsePolicies(text.replace('ingress', 'ingres')).issues.map(formatIssue).length,
        typeof lint,
      ]);
    })()`,
    context,
  );
  expect(told).toBe(JSON.stringify([0, 'allowed', 'denied', true, ['unenforceable'], 1, 'function']));
});
