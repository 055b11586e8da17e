import { expect, test } from 'vitest';
import { bundlePolicyModel } from '../../src/policy/bundle.ts';

/** What fits into a page: `yaml` is 97 kB of it, and two thirds of the rest are allowed to be ours. */
const BUDGET = 190_000;

test('reading and explaining policies fits into 150 kB, most of it yaml', async () => {
  const { bytes, packages } = await bundlePolicyModel();
  expect(packages.map(([name]) => name).sort()).toEqual(['core', 'entry', 'identity', 'manifest', 'policy-model', 'yaml']);
  expect(packages[0]?.[0]).toBe('yaml');
  expect(bytes).toBeLessThan(BUDGET);
});
