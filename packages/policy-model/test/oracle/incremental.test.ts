import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PolicyResource } from '../../src/index.ts';
import { PolicyModelError, compilePolicy, createPolicyRepository, createPolicyTracker } from '../../src/index.ts';
import { EVERYTHING } from './generators/features.ts';
import { PROVIDER_GROUPS } from './generators/pools.ts';
import { policySets } from './generators/policies.ts';
import { present, scenes } from './library/cases.ts';
import type { Change, Choice, State } from './library/changes.ts';
import { changes, make } from './library/changes.ts';
import { holds } from './library/holds.ts';
import type { Scene } from './library/load.ts';
import { groupText, load, parse } from './library/load.ts';
import type { Replay } from './library/replay.ts';
import { apply, policyText, ruleSetsOf } from './library/replay.ts';

const groups = PROVIDER_GROUPS.map(groupText);

/** Resources to put: those of a scene, and others under their names. */
function choiceOf(scene: Scene, others: readonly unknown[]): Choice {
  const own = parse(scene.documents);
  const renamed = parse(others as Scene['documents']).map((resource, i): PolicyResource => {
    const like = own[i % own.length]!;
    // Orders and explanations go by the key of the resource that a rule is in.
    return { ...resource, key: like.key, kind: like.kind, name: like.name, namespace: like.namespace, rules: resource.rules.map((rule) => ({ ...rule, resource: like.key })) };
  });
  const { identities } = load({ ...scene, parties: present(scene) });
  return { resources: [...own, ...renamed.filter(({ group }) => group === undefined)], identities, groups };
}

/** What compiling from scratch gives for every subject; `undefined` where it fails. */
function fromScratch(resources: readonly PolicyResource[], { identities, subjects, told }: State, options: Scene['options']): Map<number, string | undefined> {
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  for (const tell of told.values()) tell(repository.directory);
  const compiled = new Map<number, string | undefined>();
  for (const [id, { identity, details }] of subjects) {
    try {
      compiled.set(id, policyText(compilePolicy({ repository, subject: identity, identities: identities.values(), options, ...details })));
    } catch (error) {
      if (!(error instanceof PolicyModelError)) throw error;
      compiled.set(id, undefined);
    }
  }
  return compiled;
}

function replayAll(scene: Scene, choice: Choice, rounds: readonly Change[][]): number {
  const repository = createPolicyRepository();
  const tracker = createPolicyTracker({ repository, options: scene.options });
  const state: State = { identities: new Map(), subjects: new Map(), told: new Map() };
  const replay: Replay = new Map();
  const ruleSets = new Set<string>();
  let compared = 0;
  // Mostly everything is there to begin with, so that what changes matters.
  const everything: Change[] = rounds.length % 4 === 0 ? [] : [
    ...choice.identities.flatMap((_identity, which): Change[] => [{ kind: 'add-identity', which, how: 0 }, ...(which < 6 ? [{ kind: 'add-subject', which, how: 1 } as const] : [])]),
    ...choice.resources.map((_resource, which): Change => ({ kind: 'put', which, how: 0 })),
  ];
  for (const round of [everything, ...rounds]) {
    for (const change of round) make(change, choice, state, { repository, tracker });
    const delta = tracker.take();
    apply(replay, delta);
    for (const { id } of delta.ruleSets.gone) expect(ruleSets.delete(id), `rule set ${id} was in use`).toBe(true);
    for (const { id } of delta.ruleSets.appeared) expect(ruleSets.has(id), `rule set ${id} is new`).toBe(false);
    for (const { id } of delta.ruleSets.appeared) ruleSets.add(id);
    const expected = fromScratch(repository.all(), state, scene.options);
    const added = new Map([...replay].map(([id, policy]) => [Number(id), policy && policyText(policy)]));
    expect([...added].sort(([a], [b]) => a - b)).toEqual([...expected].sort(([a], [b]) => a - b));
    expect([...ruleSets].sort()).toEqual(ruleSetsOf(replay));
    compared += expected.size;
  }
  tracker.close();
  return compared;
}

test('deltas add up to what compiling from scratch gives, after any changes of rules, identities and what rules refer to', { timeout: 300_000 }, () => {
  let compared = 0;
  holds(
    fc.property(scenes(EVERYTHING), policySets(EVERYTHING), changes, (scene, others, rounds) => {
      compared += replayAll(scene, choiceOf(scene, others), rounds);
    }),
    { numRuns: 250, seed: 20261122 },
  );
  expect(compared).toBeGreaterThan(1000);
});
