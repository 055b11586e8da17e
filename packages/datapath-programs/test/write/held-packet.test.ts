import { silentLogger } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { DesiredState } from '../../src/state/desired.ts';
import { createWriter } from '../../src/write/writer.ts';
import { policyChanges, states, TARGETS } from '../support/generate.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { describeProbe, describeState, permitted } from '../support/permitted.ts';
import { readPacket, WORLD, type Observation } from '../support/reader.ts';
import { probes } from '../support/world.ts';

/** Which packet is held, when it begins (writes of the first change) and where it stops (its own memory accesses). */
interface Held {
  readonly probe: number;
  readonly begins: number;
  readonly stops: number;
}

const held: fc.Arbitrary<Held> = fc.record({ probe: fc.nat(200), begins: fc.oneof(fc.constant(0), fc.nat(30)), stops: fc.nat(24) });

/** Lets the writer go on until it can only wait. */
async function untilBlocked(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * One packet stands still between two of its memory accesses, for as long as it takes: the writer goes through as
 * many changes as it can without a grace period, which this packet holds up. Then the packet goes on.
 */
async function run(sequence: readonly DesiredState[], { probe, begins, stops }: Held): Promise<void> {
  const store = createMemoryStore();
  const writer = await createWriter({ store, logger: silentLogger }, { world: WORLD, reclaimDelayMs: 60_000 });
  const all = probes(sequence, TARGETS);
  const [first, ...rest] = sequence;
  const chosen = all[probe % all.length];
  if (first === undefined || chosen === undefined) return;
  await writer.apply(first);
  await writer.settled();

  let reader: Generator<void, Observation, void> | undefined;
  let result: Observation | undefined;
  let release: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (release = resolve));
  const advance = (accesses: number): void => {
    for (let i = 0; i < accesses && result === undefined; i++) {
      const step = reader?.next();
      if (step?.done === true) result = step.value;
    }
    if (result !== undefined) release();
  };
  let left = begins;
  store.onStep = () => {
    if (reader !== undefined || left-- > 0) return;
    reader = readPacket(store, chosen);
    advance(stops);
  };
  store.onGrace = async () => {
    if (reader !== undefined && result === undefined) await gone;
  };
  let applied = 0;
  const changes = (async () => {
    for (const state of rest) {
      await writer.apply(state);
      applied++;
    }
  })();
  await untilBlocked();
  reader ??= readPacket(store, chosen);
  advance(1000);
  const passed = sequence.slice(0, applied + 2);
  await changes;
  if (result !== undefined && !permitted(result, passed).has(result.allowed)) {
    throw new Error(`neither old nor new: ${describeProbe(result)}\n${passed.map(describeState).join('\n--\n')}`);
  }
}

describe('a packet that stands still while the writer goes on', () => {
  it('is judged by one of the policy sets that were in force meanwhile', async () => {
    await fc.assert(fc.asyncProperty(policyChanges, held, run), { numRuns: 2000 });
  }, 120_000);

  it('is never judged by what belongs to somebody else, when endpoints come and go', async () => {
    await fc.assert(fc.asyncProperty(states, held, run), { numRuns: 2000 });
    // Here a packet of an endpoint that had gone once met one that came in the same pass.
    await fc.assert(fc.asyncProperty(states, held, run), { numRuns: 700, seed: 1309303592 });
  }, 120_000);
});
