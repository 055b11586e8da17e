import { expect, test } from 'vitest';
import { bundlePolicyModel } from '../../src/policy/bundle.ts';

/** The target of bench policy/bundle: what may be passed only knowingly. */
const BUDGET = 150_000;

test('a program that reads and explains policies holds nothing but them and js-yaml, and does not grow unnoticed', async () => {
  const { bytes, packages } = await bundlePolicyModel();
  expect(packages.map(([name]) => name).sort()).toEqual(['core', 'entry', 'identity', 'js-yaml', 'manifest', 'policy-model']);
  expect(bytes).toBeLessThan(BUDGET);
});
