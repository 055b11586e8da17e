import { expect, test } from 'vitest';
import { bundlePolicyModel } from '../../src/policy/bundle.ts';

/**
 * What must not be passed unnoticed. The target is 150 kB (bench policy/bundle); 97 of what there is are `yaml`, most of it
 * for writing YAML, which it does not let go of.
 */
const BUDGET = 190_000;

test('a program that reads and explains policies holds nothing but them and yaml, and does not grow unnoticed', async () => {
  const { bytes, packages } = await bundlePolicyModel();
  expect(packages.map(([name]) => name).sort()).toEqual(['core', 'entry', 'identity', 'manifest', 'policy-model', 'yaml']);
  expect(packages[0]?.[0]).toBe('yaml');
  expect(bytes).toBeLessThan(BUDGET);
});
