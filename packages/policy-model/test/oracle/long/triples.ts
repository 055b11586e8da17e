import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EVERYTHING } from '../generators/features.ts';
import { cases, check } from '../library/cases.ts';
import { holds } from '../library/holds.ts';

/** At least so many triples of policies, identities and packet, other ones every time. */
const TRIPLES = 200_000;
/** Sets of policies between two lines about how far it has come. */
const ROUND = 250;
const PACKETS_PER_SET = 80;

test('simulator, compiled rows and explanation agree in the long run', { timeout: 4 * 3_600_000 }, async () => {
  const tally = new Map<string, number>();
  let triples = 0;
  while (triples < TRIPLES) {
    const property = fc.property(cases(EVERYTHING, PACKETS_PER_SET), (one) => {
      triples += check(one, tally);
    });
    holds(property, { numRuns: ROUND });
    console.log(`${triples} triples agree: ${[...tally].map(([verdict, count]) => `${verdict} ${count}`).sort().join(', ')}`);
    await setImmediate(); // so that the line is seen
  }
  expect(triples).toBeGreaterThanOrEqual(TRIPLES);
});
