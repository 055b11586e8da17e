import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EVERYTHING } from './generators/features.ts';
import { cases, check } from './library/cases.ts';
import { holds } from './library/holds.ts';

/** What everybody has to agree on: at least so many triples of policies, identities and packet. */
const TRIPLES = 5000;

test('simulator, compiled rows and explanation agree on random policies, identities and packets', { timeout: 300_000 }, () => {
  const tally = new Map<string, number>();
  let triples = 0;
  holds(
    fc.property(cases(EVERYTHING), (one) => {
      triples += check(one, tally);
    }),
    { numRuns: 480, seed: 20261122 },
  );
  expect(triples).toBeGreaterThanOrEqual(TRIPLES);
  for (const verdict of ['allow', 'deny', 'deny-default', 'none']) expect(tally.get(verdict), verdict).toBeGreaterThan(TRIPLES / 20);
  for (const verdict of ['proxy yes', 'proxy no', 'proxy unknown']) expect(tally.get(verdict), verdict).toBeGreaterThan(20);
});
