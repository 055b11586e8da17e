import { silentLogger } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import type { DesiredState } from '../../src/state/desired.ts';
import { createWriter, type Writer } from '../../src/write/writer.ts';
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts';
import { observe, WORLD } from '../support/reader.ts';
import { endpoint, oracle, policy, probes, row, world } from '../support/world.ts';

const OUTSIDE = ['8.8.8.8', '8.8.4.4', '10.8.1.1', '1.1.1.1'];
const client = policy({});
const web = policy({ ingressAny: row(), ingress: { 300: row(80) }, egressAny: row(), egress: { 9: row(443), 16_777_217: row(80) } });
const base = world([endpoint(1, 300, client), endpoint(2, 400, web), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217 });

/** Description, state before, state after. */
const CHANGES: readonly (readonly [string, DesiredState, DesiredState])[] = [
  ['the first state of all', world([]), base],
  ['an endpoint of a new identity comes', base, world([...base.endpoints, endpoint(4, 301, client)].map(([slot, each]) => (slot === 2 ? [slot, { ...each, policy: policy({ ingressAny: row(), ingress: { 300: row(80), 301: row(443) }, egressAny: row(), egress: { 9: row(443), 16_777_217: row(80) } }) }] : [slot, each])), { '8.8.8.8': 16_777_217 })],
  ['an endpoint goes', base, world([...base.endpoints].slice(1), { '8.8.8.8': 16_777_217 })],
  ['a policy changes', base, world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(443), egressAny: row() })), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217 })],
  ['an endpoint changes its labels', base, world([endpoint(1, 500, client), endpoint(2, 400, web), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217 })],
  ['a prefix comes with the policy that names it', base, world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(), egressAny: row(), egress: { 9: row(443), 16_777_217: row(80), 16_777_218: row(80) } })), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217, '8.8.0.0/16': 16_777_218 })],
  ['an address goes with the policy that named it', base, world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(), ingress: { 300: row(80) }, egressAny: row(), egress: { 9: row(443) } })), endpoint(3, 500, client)])],
  ['an endpoint is replaced by another on the same slot and address', base, world([endpoint(1, 300, client, { ifindex: 40, id: 77 }), endpoint(2, 400, web), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217 })],
  ['an endpoint takes over a remote address', world([...base.endpoints], { '8.8.8.8': 16_777_217, '10.0.0.5': 600 }), world([...base.endpoints, endpoint(5, 300, client)], { '8.8.8.8': 16_777_217 })],
  ['addresses take on an identity together, with the policy that names it', base, world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(), egressAny: row(), egress: { 9: row(443), 16_777_300: row(443) } })), endpoint(3, 500, client)], { '8.8.8.8': 16_777_300, '8.8.4.4': 16_777_300 })],
  ['everything goes', base, world([])],
];

class Crash extends Error {}

const open = (store: MemoryStore): Promise<Writer> => createWriter({ store, logger: silentLogger }, { world: WORLD, reclaimDelayMs: 60_000 });

async function prepared(before: DesiredState): Promise<{ store: MemoryStore; writer: Writer }> {
  const store = createMemoryStore();
  const writer = await open(store);
  await writer.apply(before);
  await writer.settled();
  return { store, writer };
}

/** How many writes a change takes, its deletions included. */
async function countSteps(before: DesiredState, after: DesiredState): Promise<number> {
  const { store, writer } = await prepared(before);
  const begun = store.steps;
  await writer.apply(after);
  await writer.settled();
  return store.steps - begun;
}

/** Packets between endpoints that stay must be told what the old or the new state says; others may be dropped too. */
function expectOldOrNew(store: MemoryStore, before: DesiredState, after: DesiredState): void {
  for (const probe of probes([before, after], OUTSIDE)) {
    if (observe(store, probe).allowed && !oracle(before, probe) && !oracle(after, probe)) {
      // Only an address whose owner comes or goes may be judged as what it is without one.
      const bare = [before, after].map(({ addresses }) => ({ endpoints: new Map(), addresses }));
      const permitted = [before, after].some((policies) => [before, after, ...bare].some((addresses) => oracle(policies, probe, addresses)));
      expect([probe.ifindex, probe.destination.text, permitted]).toEqual([probe.ifindex, probe.destination.text, true]);
    }
  }
}

function expectExactly(store: MemoryStore, state: DesiredState): void {
  for (const probe of probes([state], OUTSIDE)) expect([probe.ifindex, probe.destination.text, probe.start, observe(store, probe).allowed]).toEqual([probe.ifindex, probe.destination.text, probe.start, oracle(state, probe)]);
}

async function crashAt(step: number, before: DesiredState, after: DesiredState): Promise<MemoryStore> {
  const { store, writer } = await prepared(before);
  let left = step;
  store.onStep = () => {
    if (left-- <= 0) throw new Crash('killed');
  };
  await writer.apply(after).then(() => writer.settled()).catch(() => undefined);
  store.onStep = () => undefined;
  return store;
}

describe.each(CHANGES)('a crash while %s', (_, before, after) => {
  it('leaves the old or the new state in force after any write, and the next run completes it', async () => {
    const steps = await countSteps(before, after);
    expect(steps).toBeGreaterThan(0);
    const fresh = await prepared(world([]));
    await fresh.writer.apply(after);
    for (let step = 0; step <= steps; step++) {
      const store = await crashAt(step, before, after);
      expectOldOrNew(store, before, after);
      const writer = await open(store);
      expectOldOrNew(store, before, after);
      expect(await writer.apply(after)).toMatchObject({ failures: [] });
      expectExactly(store, after);
      await writer.settled();
      expectExactly(store, after);
      expect([store.policy.size, store.addresses.size]).toEqual([fresh.store.policy.size, fresh.store.addresses.size]);
    }
  }, 60_000);

  it('can be taken back by the next run', async () => {
    const steps = await countSteps(before, after);
    for (let step = 0; step <= steps; step++) {
      const store = await crashAt(step, before, after);
      const writer = await open(store);
      expect(await writer.apply(before)).toMatchObject({ failures: [] });
      expectExactly(store, before);
    }
  }, 60_000);

  it('is survived by the same process when it is only a write that failed', async () => {
    const steps = await countSteps(before, after);
    for (let step = 0; step < steps; step++) {
      const { store, writer } = await prepared(before);
      let left = step;
      store.onStep = () => {
        if (left-- === 0) throw new Error('input/output error');
      };
      await writer.apply(after).catch(() => undefined);
      expectOldOrNew(store, before, after);
      await writer.apply(after).catch(() => undefined);
      expect(await writer.apply(after)).toMatchObject({ failures: [] });
      expectExactly(store, after);
    }
  }, 60_000);
});
