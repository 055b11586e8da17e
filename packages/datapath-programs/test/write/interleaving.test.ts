import { silentLogger } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredState } from '../../src/state/desired.ts';
import { createWriter } from '../../src/write/writer.ts';
import { policyChanges, sharedIdentities, states, TARGETS } from '../support/generate.ts';
import { startTraffic, stillBelieved } from '../support/interleave.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { describeProbe, describeState, permitted } from '../support/permitted.ts';
import { observe, WORLD } from '../support/reader.ts';
import { oracle, probes } from '../support/world.ts';

/** Deterministic numbers from a seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

async function run(sequence: readonly DesiredState[], seed: number, settle: boolean): Promise<void> {
  const store = createMemoryStore();
  const writer = await createWriter({ store, logger: silentLogger }, { world: WORLD, reclaimDelayMs: 60_000 });
  const all = probes(sequence, TARGETS);
  const [first] = sequence;
  if (all.length === 0 || first === undefined) return;
  await writer.apply(first);
  const traffic = startTraffic(store, all, randomFrom(seed));
  const check = (now: DesiredState): void => {
    for (const observation of traffic.observations) {
      const passed = sequence.slice(observation.began, observation.ended + 2);
      if (!permitted(observation, passed).has(observation.allowed)) throw new Error(`neither old nor new: ${describeProbe(observation)}\n${passed.map(describeState).join('\n')}`);
      if (stillBelieved(store, observation) && observation.allowed !== oracle(now, observation.probe)) throw new Error(`believed for ever: ${describeProbe(observation)}`);
    }
  };
  for (const [index, after] of sequence.entries()) {
    if (index === 0) continue;
    traffic.phase = index - 1;
    const report = await writer.apply(after);
    expect(report.failures).toEqual([]);
    check(after);
    for (const probe of all) {
      if (observe(store, probe).allowed !== oracle(after, probe)) throw new Error(`in force: ${describeProbe(observe(store, probe))}\n${sequence.slice(0, index + 1).map(describeState).join('\n--\n')}`);
    }
    if (settle) await writer.settled();
  }
  traffic.drain();
  check(sequence.at(-1) ?? first);
}

describe('packets at any moment of a change', () => {
  it('are judged by the old or by the new policy set, and what is remembered is the new one', async () => {
    await fc.assert(fc.asyncProperty(policyChanges, fc.integer(), fc.boolean(), run), { numRuns: 300 });
  }, 120_000);

  it('never by another identity’s, when endpoints come, go and change their labels', async () => {
    await fc.assert(fc.asyncProperty(states, fc.integer(), fc.boolean(), run), { numRuns: 300 });
  }, 120_000);

  it('by the old or by the new state, when addresses come to share an identity and part again', async () => {
    await fc.assert(fc.asyncProperty(sharedIdentities, fc.integer(), fc.boolean(), run), { numRuns: 300 });
  }, 120_000);
});
