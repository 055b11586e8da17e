import { silentLogger } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { describe, expect, it } from 'vitest';
import { createServiceWriter, type ServiceWriter } from '../../src/services/writer.ts';
import { expectExactly, expectNothingElse } from './exactly.ts';
import { PROBES } from './generate.ts';
import { connect, finish, follow, type Remembered } from './reader.ts';
import { createMemoryServiceStore, type MemoryServiceStore } from './store.ts';
import { objection } from './traffic.ts';
import { createNumbering, desired, type Front, type PoolSpec, type Spec } from './world.ts';

const web: Front = { at: '10.96.0.0:80', pool: 'p0' };
const ep = (...hosts: number[]): PoolSpec => Object.fromEntries(hosts.map((host) => [`10.0.0.${host}:8080`, 1]));
const other = { fronts: [{ at: '10.96.0.2:80', pool: 'p2' }, { at: '0.0.0.0:30080', pool: 'p2' }], pools: { p2: { '10.2.0.1:80': 2, '10.2.0.2:80': 1 } } };
const base: Spec = { fronts: [web, ...other.fronts], pools: { p0: ep(1, 2), ...other.pools } };
const ranged = (ranges: string[], flags = 0): Spec => ({ fronts: [{ ...web, ranges, flags }, ...other.fronts], pools: base.pools });
const twoScopes: Spec = { fronts: [{ ...web, flags: SERVICE_FLAG.TWO_SCOPES }, { at: web.at, scope: 'internal', pool: 'q0' }, ...other.fronts], pools: { ...base.pools, p0: {}, q0: ep(7, 8) } };
const contested = (pool: string): Spec => ({ fronts: [web, ...other.fronts, { at: '10.96.0.99:443', pool }], pools: base.pools });
const all: Spec = { fronts: [], pools: {} };

/** Description, state before, state after. */
const CHANGES: readonly (readonly [string, Spec, Spec])[] = [
  ['the first services of all come', all, base],
  ['a backend is replaced', base, { ...base, pools: { ...base.pools, p0: ep(2, 3) } }],
  ['the last backend goes', base, { ...base, pools: { ...base.pools, p0: {} } }],
  ['a backend terminates', base, { ...base, pools: { ...base.pools, p0: { '10.0.0.1:8080': 0, '10.0.0.2:8080': 1 } } }],
  ['a service with a wildcard comes', base, { fronts: [...base.fronts, { at: '10.96.0.1:80', pool: 'p1' }, { at: '10.96.0.1:0/0' }], pools: { ...base.pools, p1: { '10.1.0.1:80': 3 } } }],
  ['a service goes', base, other],
  ['prefixes come', base, ranged(['10.1.0.0/16'])],
  ['prefixes change', ranged(['10.1.0.0/16', '10.9.0.0/16']), ranged(['10.1.0.0/16', '10.2.0.0/16'])],
  ['prefixes turn', ranged(['10.1.0.0/16']), ranged(['10.2.0.0/16'], SERVICE_FLAG.SOURCE_DENY)],
  ['prefixes go', ranged(['10.1.0.0/16']), base],
  ['a second scope comes and the first loses its backends', base, twoScopes],
  ['the second scope goes', twoScopes, base],
  ['a frontend changes its owner', contested('p0'), contested('p2')],
  ['affinity comes', base, { ...base, fronts: [{ ...web, flags: SERVICE_FLAG.AFFINITY, timeout: 60 }, ...other.fronts] }],
  ['everything goes', twoScopes, all],
];

class Crash extends Error {}

const open = (store: MemoryServiceStore): Promise<ServiceWriter> => createServiceWriter({ store, logger: silentLogger }, { reclaimDelayMs: 60_000 });
const HASHES = [0, 0x7000_0000, 0xffff_ffff];

/** Numbers are scarce in some runs, so that what goes is given to what comes. */
const numberings = [() => createNumbering(), () => createNumbering({ services: 6, backends: 6 })];

async function prepared(numbering: ReturnType<typeof createNumbering>, before: Spec) {
  const store = createMemoryServiceStore();
  const writer = await open(store);
  await writer.apply(desired(numbering.records(before)));
  await writer.settled();
  return { store, writer };
}

function observe(store: MemoryServiceStore, passed: readonly Spec[]): Remembered[] {
  return PROBES.flatMap((probe) =>
    HASHES.flatMap((hash) => {
      const outcome = finish(connect(store, { ...probe, hash }));
      const wrong = objection({ probe: { ...probe, hash }, outcome }, passed, false);
      if (wrong !== undefined) throw new Error(wrong);
      return outcome.result === 'backend' ? [outcome.backend] : [];
    }),
  );
}

function expectNoneStrayed(store: MemoryServiceStore, flows: readonly Remembered[]): void {
  for (const flow of flows) expect([flow.endpoint, undefined]).toContain(finish(follow(store, flow)));
}

describe.each(CHANGES)('a crash while %s', (_, before, after) => {
  it.each(numberings)('leaves old or new after any write, and the next run completes it (numbers %#)', async (number) => {
    const count = await steps(number, before, after);
    expect(count).toBeGreaterThan(0);
    for (let step = 0; step <= count; step++) {
      const { store, flows, records } = await crashAt(number, { step, before, after });
      observe(store, [before, after]);
      const writer = await open(store);
      observe(store, [before, after]);
      expect(await writer.apply(desired(records))).toMatchObject({ failures: [] });
      expectExactly(store, records);
      observe(store, [after]);
      expectNoneStrayed(store, flows);
      await writer.settled();
      expectNothingElse(store, records);
      expect(await (await open(store)).apply(desired(records))).toMatchObject({ changed: false });
    }
  }, 600_000);

  it.each(numberings)('can be taken back by the next run, and is survived by the same process when only a write failed (numbers %#)', async (number) => {
    const count = await steps(number, before, after);
    for (let step = 0; step <= count; step++) {
      const { store, flows, old } = await crashAt(number, { step, before, after });
      const writer = await open(store);
      await writer.apply(desired(old));
      expectExactly(store, old);
      expectNoneStrayed(store, flows);
      await writer.settled();
      let left = step;
      store.onStep = () => {
        if (left-- === 0) throw new Error('input/output error');
      };
      const { records } = await crashAt(number, { step: -1, before, after });
      await writer.apply(desired(records)).catch(() => undefined);
      observe(store, [before, after]);
      expect(await writer.apply(desired(records))).toMatchObject({ failures: [] });
      expectExactly(store, records);
      expectNoneStrayed(store, flows);
    }
  }, 600_000);
});

async function steps(number: (typeof numberings)[number], before: Spec, after: Spec): Promise<number> {
  const numbering = number();
  const { store, writer } = await prepared(numbering, before);
  const begun = store.steps;
  await writer.apply(desired(numbering.records(after)));
  await writer.settled();
  return store.steps - begun;
}

/** Lets a writer be killed before its write number `step`; with -1, nothing is done but giving numbers. */
async function crashAt(number: (typeof numberings)[number], { step, before, after }: { step: number; before: Spec; after: Spec }) {
  const numbering = number();
  const { store, writer } = await prepared(numbering, before);
  const old = numbering.records(before);
  const flows = observe(store, [before]);
  const records = numbering.records(after);
  let left = step;
  store.onStep = () => {
    if (left-- <= 0) throw new Crash('killed');
  };
  if (step >= 0) await writer.apply(desired(records)).then(() => writer.settled()).catch(() => undefined);
  store.onStep = () => undefined;
  return { store, flows, old, records };
}
