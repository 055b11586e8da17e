import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { EVERYTHING } from '../generators/features.ts';
import { packets } from '../generators/packets.ts';
import { policySets } from '../generators/policies.ts';
import type { Json, SimOptions } from '../simulator/tables.ts';
import { holds } from '../library/holds.ts';
import { CLUSTER, ENDPOINTS } from './cluster.ts';
import { deviations, splitsReplicas } from './deviations.ts';
import { OPTIONS, libraryOf } from './library.ts';
import type { Connection } from './strict.ts';
import { strictVerdicts } from './strict.ts';

/** NetworkPolicies alone; keys that mean something to Cilium alone are a row of the table of their own. */
const policies = policySets({ ...EVERYTHING, tiers: false, cidrGroups: false }, 4, 'NetworkPolicy').filter(
  (documents) => !/io\.kubernetes\.pod|io\.cilium/.test(JSON.stringify(documents)),
);
const connection = fc.record<Connection>({ from: fc.constantFrom(...ENDPOINTS), to: fc.constantFrom(...ENDPOINTS), packet: packets({ ...EVERYTHING, layer7: false }) }, { noNullPrototype: true });
const connections = fc.array(connection, { minLength: 1, maxLength: 30, size: 'max' });

interface Reading {
  readonly options: SimOptions;
  /** Why the library may say something else than the rules' own words; none: it must not. */
  readonly excuses: (documents: readonly Json[], side: 'egress' | 'ingress', connection: Connection, allowed: boolean) => readonly string[];
}

/** Compares a reading with the rules' own words. Returns how many verdicts there were, and which excuses were needed. */
function compareReading({ options, excuses }: Reading): { compared: number; needed: string[] } {
  const needed = new Set<string>();
  let compared = 0;
  const property = fc.property(policies, connections, (documents, asked) => {
    const library = libraryOf(documents, options);
    for (const one of asked) {
      const [told, strict] = [library(one), strictVerdicts(documents, CLUSTER, one)];
      for (const side of ['egress', 'ingress'] as const) {
        compared++;
        if (told[side] === strict[side]) continue;
        const why = excuses(documents, side, one, told[side]);
        if (why.length === 0) throw difference(documents, one, `${side}: allowed ${told[side]}, by the rules' own words ${strict[side]}`);
        for (const name of why) needed.add(name);
      }
    }
  });
  holds(property, { numRuns: 250, seed: 20261122 });
  return { compared, needed: [...needed].sort() };
}

function difference(documents: readonly Json[], { from, to, packet }: Connection, what: string): Error {
  return new Error(`${what}: ${from.name} -> ${to.name} ${JSON.stringify(packet)}\n${documents.map((document) => stringify(document)).join('---\n')}`);
}

test('by default NetworkPolicies mean what they say, but for the deviations in the documentation', { timeout: 120_000 }, () => {
  const { compared, needed } = compareReading({ options: OPTIONS, excuses: (documents, side, one) => deviations(documents, side, one) });
  expect(compared).toBeGreaterThan(5000);
  expect(needed).toEqual(['ip-block-nodes', 'ip-block-pods', 'node', 'unlisted-direction']);
});

test('read strictly they mean just what they say; a block that holds some pods of an identity allows none', { timeout: 120_000 }, () => {
  const options = { ...OPTIONS, strictNetworkPolicy: true };
  const { compared, needed } = compareReading({ options, excuses: (documents, side, one, allowed) => (!allowed && splitsReplicas(documents, side, one) ? ['replicas'] : []) });
  expect(compared).toBeGreaterThan(5000);
  expect(needed).toEqual(['replicas']);
});
