import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Identity } from '@cilium-ts/identity';
import type { PolicyOptions } from '../src/index.ts';
import { compilePolicy, createPolicyRepository, explain, formatIssue, lookupRow, parsePolicies, rowForPeer } from '../src/index.ts';
import { documents, IDENTITIES, options, PACKETS, PODS } from './helpers/random-policies.ts';

interface Case {
  readonly texts: readonly string[];
  readonly options: PolicyOptions;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({ texts: documents, options, seed: fc.nat() });

/** A repository of the generated policies, all of which must be acceptable. */
function load(texts: readonly string[]) {
  const repository = createPolicyRepository();
  texts.forEach((text, index) => {
    const { resources, issues } = parsePolicies(text, { file: `${index}.json` });
    const errors = issues.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(errors.map(formatIssue).join('\n'));
    repository.replaceAll([...repository.all(), ...resources]);
  });
  return repository;
}

function* pairs(seed: number, count: number): Iterable<[Identity, Identity, { protocol: number; port: number }]> {
  let state = seed >>> 0;
  const pick = <T>(list: readonly T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return list[Math.floor((state / 2 ** 32) * list.length)]!;
  };
  // Every other pair has a pod on either side: those have policies.
  for (let i = 0; i < count; i++) yield [pick(i % 2 === 0 ? PODS : IDENTITIES), pick(i % 4 < 2 ? PODS : IDENTITIES), pick(PACKETS)];
}

const count = { pairs: 0, deny: 0, allow: 0, 'deny-default': 0 };

test('rows and explanation give the same verdict and match type', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(cases, ({ texts, options: chosen, seed }) => {
      const repository = load(texts);
      const compiled = new Map(
        IDENTITIES.map((subject) => [subject.id, compilePolicy({ repository, subject, identities: IDENTITIES, options: chosen })]),
      );
      for (const [from, to, packet] of pairs(seed, 60)) {
        const explained = explain({ repository, from, to, ...packet, icmpType: packet.port, options: chosen });
        for (const [side, endpoint, peer] of [['egress', from, to], ['ingress', to, from]] as const) {
          const explanation = explained[side];
          // A side that is no endpoint has no policy of its own to compile.
          if (explanation.reason === 'no-endpoint') continue;
          const row = rowForPeer(compiled.get(endpoint.id)![side], peer.id);
          const verdict = lookupRow(row, packet.protocol, packet.port);
          count.pairs++;
          count[verdict.action]++;
          expect(verdict, explained.text).toEqual({ action: explanation.action, match: explanation.match });
        }
      }
    }),
    { numRuns: 400, seed: 20260722 },
  );
  expect(count.pairs).toBeGreaterThanOrEqual(20_000);
  for (const action of ['deny', 'allow', 'deny-default'] as const) expect(count[action], action).toBeGreaterThan(1000);
});

test('compiling step by step gives what compiling at once gives', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(cases, fc.shuffledSubarray([...IDENTITIES], { minLength: 2 }), ({ texts, options: chosen }, shuffled) => {
      const repository = createPolicyRepository();
      for (let i = 0; i < texts.length; i++) {
        for (const resource of parsePolicies(texts[i]!).resources) repository.upsert(resource);
        const known = shuffled.slice(0, 1 + ((i * 7) % shuffled.length));
        for (const subject of known) compilePolicy({ repository, subject, identities: known, options: chosen });
      }
      const fresh = createPolicyRepository();
      fresh.replaceAll(repository.all());
      for (const subject of shuffled) {
        const request = { subject, identities: shuffled, options: chosen };
        const step = compilePolicy({ ...request, repository });
        const once = compilePolicy({ ...request, repository: fresh });
        expect(step.key).toBe(once.key);
        for (const side of ['ingress', 'egress'] as const) {
          expect([...step[side].byIdentity].map(([id, row]) => [id, row.key])).toEqual([...once[side].byIdentity].map(([id, row]) => [id, row.key]));
          expect(step[side].any.key).toBe(once[side].any.key);
        }
      }
    }),
    { numRuns: 100, seed: 20260722 },
  );
});

test('the same content is the same row object', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(cases, ({ texts, options: chosen }) => {
      const repository = load(texts);
      const rows = new Map<string, object>();
      for (const subject of IDENTITIES) {
        const compiled = compilePolicy({ repository, subject, identities: IDENTITIES, options: chosen });
        for (const { any, byIdentity } of [compiled.ingress, compiled.egress]) {
          for (const row of [any, ...byIdentity.values()]) {
            expect(rows.get(row.key) ?? row).toBe(row);
            rows.set(row.key, row);
            expect(row.boundaries[0]!.start).toBe(0);
            row.boundaries.slice(1).forEach((boundary, i) => {
              expect(boundary.start).toBeGreaterThan(row.boundaries[i]!.start);
              expect(boundary.verdict).not.toEqual(row.boundaries[i]!.verdict);
            });
          }
          for (const row of byIdentity.values()) expect(row).not.toBe(any);
        }
      }
    }),
    { numRuns: 50, seed: 20260722 },
  );
});
