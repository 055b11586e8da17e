import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_POLICY_OPTIONS, compilePolicy, createPolicyRepository, parsePolicies } from '../../src/index.ts';
import { documents, IDENTITIES } from '../helpers/random-policies.ts';

/** Puts a value in place of the `n`-th value of a document, counted depth first. */
function mutate(document: unknown, n: number, value: unknown): unknown {
  let count = 0;
  const walk = (node: unknown): unknown => {
    if (count++ === n) return value;
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, walk(child)]));
  };
  return walk(document);
}

const junk = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, '', 0, -1, 1e300, [], {}, [[]], 'reserved:', '$', ':', '0.0.0.0/0', '::/0', { matchLabels: { ':': '' } }));

test('mutated policies are accepted or refused with a place, never more and never a crash', { timeout: 60_000 }, () => {
  let accepted = 0;
  fc.assert(
    fc.property(documents, fc.nat(60), junk, (texts, n, value) => {
      for (const text of texts) {
        const { resources, issues } = parsePolicies(JSON.stringify(mutate(JSON.parse(text), n, value), null, 1), { file: 'f' });
        const errors = issues.filter(({ severity }) => severity === 'error');
        expect(resources.length > 0 || errors.length > 0 || value === null).toBe(true);
        for (const issue of issues) {
          expect(issue.line).toBeGreaterThanOrEqual(1);
          expect(issue.column).toBeGreaterThanOrEqual(1);
          expect(issue.message).not.toBe('');
          expect(issue.remedy).not.toBe('');
        }
        const repository = createPolicyRepository();
        repository.replaceAll(resources);
        compilePolicy({ repository, subject: IDENTITIES[0]!, identities: IDENTITIES, options: DEFAULT_POLICY_OPTIONS });
        accepted += resources.length;
      }
    }),
    { numRuns: 200, seed: 20260722 },
  );
  expect(accepted).toBeGreaterThan(50);
});

test('any text is read without a crash', { timeout: 60_000 }, () => {
  const line = fc.constantFrom('kind: List', 'items:', '  - a: 1', '---', '...', '%YAML 1.1', '? [a]', ': b', '- - -', '*x', '&x', '!!binary x', '"', '\t', '{', '}', '<<: *x', 'kind: CiliumNetworkPolicy', 'spec: ~', '\u0000', '\uFEFF');
  fc.assert(
    fc.property(fc.oneof(fc.array(line).map((lines) => lines.join('\n')), fc.string({ unit: 'binary' })), (text) => {
      for (const { line: at } of parsePolicies(text).issues) expect(at).toBeGreaterThanOrEqual(1);
    }),
    { numRuns: 800, seed: 20260722 },
  );
});

test.each([
  ['lists', '['.repeat(20_000)],
  ['objects', '{a: '.repeat(20_000)],
  ['blocks', Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
])('%s nested without end are an issue', { timeout: 60_000 }, (_name, text) => {
  const { resources, issues } = parsePolicies(text, { file: 'deep.yaml' });
  expect(resources).toEqual([]);
  expect(issues).toMatchObject([{ file: 'deep.yaml', severity: 'error' }]);
});
