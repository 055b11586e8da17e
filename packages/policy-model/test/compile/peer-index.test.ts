import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Operator, Requirement, Selector } from '@cilium-ts/identity';
import { selector, selectorMatches } from '@cilium-ts/identity';
import type { SelectorEntry } from '../../src/compile/peer-index.ts';
import { createPeerIndex } from '../../src/compile/peer-index.ts';
import { identity } from '../helpers/identities.ts';
import { IDENTITIES } from '../helpers/random-policies.ts';

const requirement: fc.Arbitrary<Requirement> = fc
  .record({
    source: fc.constantFrom('any', 'k8s', 'reserved', 'cidr'),
    key: fc.constantFrom('app', 'tier', 'host', 'io.kubernetes.pod.namespace', 'io.cilium.k8s.policy.cluster', '198.51.100.0/24'),
    prefix: fc.constantFrom('198.51.100.0/24', '198.51.100.128/25', '2001-db8-c--0/64', '0.0.0.0/0'),
    operator: fc.constantFrom<Operator>('In', 'NotIn', 'Exists', 'DoesNotExist'),
    values: fc.subarray(['web', 'db', 'shop', 'bank', 'default', ''], { minLength: 1 }),
  })
  .map(({ source, key, prefix, operator, values }) => ({ source, key: source === 'cidr' ? prefix : key, operator, values: operator === 'In' || operator === 'NotIn' ? values : [] }));
const selectors: fc.Arbitrary<Selector> = fc.array(requirement, { maxLength: 3 }).map((list) => selector(list));

type Step = { retain: Selector } | { release: number } | { add: number } | { relabel: [number, number] } | { remove: number };
const place = fc.nat(IDENTITIES.length - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    selectors.map((retain) => ({ retain })),
    fc.nat(20).map((release) => ({ release })),
    place.map((add) => ({ add })),
    fc.tuple(place, place).map((relabel) => ({ relabel })),
    place.map((remove) => ({ remove })),
  ),
  { maxLength: 40 },
);

test('knows who matches what, in whatever order selectors and identities come and go', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(steps, (sequence) => {
      const index = createPeerIndex();
      const held: SelectorEntry[] = [];
      const known = new Map<number, (typeof IDENTITIES)[number]>();
      for (const step of sequence) {
        if ('retain' in step) held.push(index.retain(step.retain));
        else if ('release' in step) held.splice(step.release, 1).forEach((entry) => index.release(entry));
        else if ('remove' in step) {
          expect(index.remove(IDENTITIES[step.remove]!.id) !== undefined).toBe(known.delete(IDENTITIES[step.remove]!.id));
        } else {
          const [id, labels] = 'add' in step ? [step.add, step.add] : step.relabel;
          const next = identity(IDENTITIES[id]!.id, IDENTITIES[labels]!.labels);
          const before = known.get(next.id);
          const result = index.add(next);
          expect(result === undefined).toBe(before?.labels.text === next.labels.text);
          if (result !== undefined) expect(result.replaced?.identity).toEqual(before);
          known.set(next.id, next);
        }
      }
      expect(index.sorted().map((record) => record.identity)).toEqual([...known.values()].sort((a, b) => a.id - b.id));
      expect(new Set(index.sorted().map(({ slot }) => slot)).size).toBe(known.size);
      expect(index.selectors).toBe(new Set(held).size);
      for (const entry of held) {
        const expected = [...known.values()].filter(({ labels }) => selectorMatches(entry.selector, labels)).map(({ id }) => id);
        expect(Array.from(entry.members, (record) => record.identity.id).sort()).toEqual(expected.sort());
      }
      for (const { identity: { id, labels } } of index.sorted()) {
        const expected = [...new Set(held)].filter(({ selector: one }) => selectorMatches(one, labels));
        expect(new Set(index.get(id)!.entries)).toEqual(new Set(expected));
      }
    }),
    { numRuns: 500, seed: 20260722 },
  );
});

test('asks nothing twice, and nothing that cannot match', () => {
  const index = createPeerIndex();
  const app = (value: string) => selector([{ source: 'any', key: 'app', operator: 'In', values: [value] }]);
  for (let i = 0; i < 100; i++) index.add(identity(1000 + i, [`k8s:app=v${i}`, 'k8s:io.cilium.k8s.policy.cluster=default']));
  const entry = index.retain(app('v7'));
  expect([entry.members.size, index.evaluations]).toEqual([1, 1]);
  expect(index.retain(app('v7'))).toBe(entry);
  index.add(identity(1007, ['k8s:app=v7', 'k8s:io.cilium.k8s.policy.cluster=default']));
  expect(index.evaluations).toBe(1);
  index.add(identity(2000, ['k8s:app=v8']));
  expect(index.evaluations).toBe(1);
  index.add(identity(2001, ['k8s:app=v7']));
  expect([entry.members.size, index.evaluations]).toEqual([2, 2]);
  index.release(entry);
  expect(index.selectors).toBe(1);
  index.release(entry);
  expect([index.selectors, index.get(identity(2001, []).id)!.entries.size]).toEqual([0, 0]);
});

test('a selector of prefixes is asked about addresses inside of it alone', () => {
  const index = createPeerIndex();
  for (let i = 0; i < 200; i++) index.add(identity(16777217 + i, [`cidr:10.0.${i}.0/24`, 'reserved:world-ipv4']));
  const entry = index.retain(selector([{ source: 'cidr', key: '10.0.8.0/22', operator: 'Exists', values: [] }]));
  expect([entry.members.size, index.evaluations]).toEqual([4, 4]);
  index.add(identity(16778000, ['cidr:10.1.0.0/24', 'reserved:world-ipv4']));
  expect(index.evaluations).toBe(4);
  index.add(identity(16778001, ['cidr:10.0.11.7/32', 'reserved:world-ipv4']));
  expect([entry.members.size, index.evaluations]).toEqual([5, 5]);
});
