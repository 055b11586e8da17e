import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { EVERYTHING } from '../generators/features.ts';
import { packets } from '../generators/packets.ts';
import { policySets } from '../generators/policies.ts';
import type { Json } from '../simulator/tables.ts';
import { CLUSTER, ENDPOINTS } from './cluster.ts';
import { deviations } from './deviations.ts';
import { libraryOf } from './library.ts';
import type { Connection } from './strict.ts';
import { strictVerdicts } from './strict.ts';

/** NetworkPolicies alone; keys that mean something to Cilium alone are a row of the table of their own. */
const policies = policySets({ ...EVERYTHING, tiers: false, cidrGroups: false, namedPorts: false }, 4, 'NetworkPolicy').filter(
  (documents) => !/io\.kubernetes\.pod|io\.cilium/.test(JSON.stringify(documents)),
);
const connection = fc.record<Connection>({ from: fc.constantFrom(...ENDPOINTS), to: fc.constantFrom(...ENDPOINTS), packet: packets({ ...EVERYTHING, layer7: false }) }, { noNullPrototype: true });
const connections = fc.array(connection, { minLength: 1, maxLength: 30, size: 'max' });

function difference(documents: readonly Json[], { from, to, packet }: Connection, what: string): Error {
  return new Error(`${what}: ${from.name} -> ${to.name} ${JSON.stringify(packet)}\n${documents.map((document) => stringify(document)).join('---\n')}`);
}

test('by default NetworkPolicies mean what Kubernetes says, but for the deviations in the documentation', { timeout: 120_000 }, () => {
  const seen = new Map<string, number>();
  let compared = 0;
  fc.assert(
    fc.property(policies, connections, (documents, asked) => {
      const library = libraryOf(documents);
      for (const one of asked) {
        const [told, strict] = [library(one), strictVerdicts(documents, CLUSTER, one)];
        for (const side of ['egress', 'ingress'] as const) {
          compared++;
          if (told[side] === strict[side]) continue;
          const why = deviations(documents, side, one);
          if (why.length === 0) throw difference(documents, one, `${side}: allowed ${told[side]}, by Kubernetes' words ${strict[side]}`);
          for (const name of why) seen.set(name, (seen.get(name) ?? 0) + 1);
        }
      }
    }),
    { numRuns: 250, seed: 20261122 },
  );
  expect(compared).toBeGreaterThan(5000);
  expect([...seen.keys()].sort()).toEqual(['ip-block-nodes', 'ip-block-pods', 'node', 'unlisted-direction']);
});
