import { createPolicyTracker, DEFAULT_POLICY_OPTIONS as options } from '@cilium-ts/policy-model';
import { describe, expect, test } from 'vitest';
import { repositoryOf } from '../../src/policy/compile-benchmark.ts';
import { FACTORS, growth, PARTS, sizeOf } from '../../src/policy/growth-benchmark.ts';
import { policyWorld, type WorldSize } from '../../src/policy/policy-world.ts';

const BASE: WorldSize = { policies: 100, identities: 800, local: 10 };

/** Selectors asked about labels, and rows looked up: what does not depend on the machine. */
function stepsFor(size: WorldSize): number {
  const world = policyWorld(size);
  using tracker = createPolicyTracker({ repository: repositoryOf(world), options });
  for (const identity of world.identities) tracker.addIdentity(identity);
  for (const subject of world.local) tracker.addSubject(subject);
  expect(tracker.take().subjects.size).toBe(size.local);
  return tracker.stats.evaluations + tracker.stats.rows;
}

describe.each(PARTS)('with more %s', (part) => {
  test('steps grow no faster than n·log n', { timeout: 60_000 }, () => {
    const steps = FACTORS.map((factor) => stepsFor(sizeOf(part, factor, BASE)));
    FACTORS.forEach((factor, i) => expect(steps[i]! / steps[0]!, `${factor} times as many ${part}: ${steps.join(', ')} steps`).toBeLessThanOrEqual(growth(part, factor, BASE)));
    expect(steps.at(-1)).toBeGreaterThan(steps[0]!);
  });
});

test('worlds are the same every time', () => {
  expect(JSON.stringify(policyWorld(BASE).policies)).toBe(JSON.stringify(policyWorld(BASE).policies));
});
