import { silentLogger } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { DesiredState } from '../../src/state/desired.ts';
import { createWriter } from '../../src/write/writer.ts';
import { sharedIdentities, TARGETS } from '../support/generate.ts';
import { createMemoryStore, type MemorySizes } from '../support/memory-store.ts';
import { describeProbe, describeState } from '../support/permitted.ts';
import { observe, WORLD, type Probe } from '../support/reader.ts';
import { oracle, probes } from '../support/world.ts';

/** Sizes at which some changes find no room. */
const tight: fc.Arbitrary<MemorySizes> = fc.record({
  policy: fc.integer({ min: 4, max: 40 }), rows: fc.integer({ min: 16, max: 64 }), addresses: fc.integer({ min: 3, max: 10 }), remotes: fc.integer({ min: 3, max: 10 }), prefixes: fc.integer({ min: 1, max: 6 }),
});

/** What a policy makes of addresses that is older than they are: identities it does not know stand for nothing to it. */
function knownTo(policies: DesiredState, { endpoints, addresses }: DesiredState): DesiredState {
  const known = new Set([...policies.addresses.values()].map(({ identity }) => identity));
  return { endpoints, addresses: new Map([...addresses].filter(([, { identity }]) => known.has(identity))) };
}

/** Whether any of these states allows the packet: each end under the policy of one, the address as in one. */
function everAllowed(states: readonly DesiredState[], probe: Probe): boolean {
  return states.some((source) => states.some((target) => states.some((addresses) => {
    const endpoints = new Map([...target.endpoints, ...[...source.endpoints].filter(([, each]) => each.ifindex === probe.ifindex)]);
    return [addresses, knownTo(source, addresses)].flatMap((each) => [each, { endpoints: new Map(), addresses: each.addresses }]).some((each) => oracle({ endpoints, addresses: new Map() }, probe, each));
  })));
}

async function run(sequence: readonly DesiredState[], sizes: MemorySizes, settle: boolean): Promise<void> {
  const store = createMemoryStore(sizes);
  const writer = await createWriter({ store, logger: silentLogger }, { world: WORLD, reclaimDelayMs: 60_000 });
  const all = probes(sequence, TARGETS);
  let passed: readonly DesiredState[] = [];
  let ever = new Map<Probe, boolean>();
  const checkOpened = (probe: Probe, what: string): void => {
    if (!observe(store, probe).allowed) return;
    if (!ever.has(probe)) ever.set(probe, everAllowed(passed, probe));
    if (ever.get(probe) === false) throw new TypeError(`${what}: ${describeProbe(observe(store, probe))}\n${passed.map(describeState).join('\n--\n')}`);
  };
  let next = 0;
  store.onStep = () => {
    for (let some = 0; some < 5; some++) {
      const probe = all[next++ % all.length];
      if (probe !== undefined) checkOpened(probe, 'opened in between');
    }
  };
  for (const [index, state] of sequence.entries()) {
    passed = sequence.slice(0, index + 1);
    ever = new Map();
    const { failures } = await writer.apply(state);
    for (const probe of all) {
      checkOpened(probe, `opened with ${JSON.stringify(failures)}`);
      if (failures.length === 0 && observe(store, probe).allowed !== oracle(state, probe)) throw new Error(`not in force: ${describeProbe(observe(store, probe))}`);
    }
    if (settle) await writer.settled();
  }
}

describe('maps without room for every change', () => {
  it('a state without failures is in force, any other opens nothing that no state has allowed, at no time', async () => {
    await fc.assert(fc.asyncProperty(sharedIdentities, tight, fc.boolean(), run), { numRuns: 500 });
  }, 120_000);
});
