import { silentLogger } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createServiceWriter } from '../../src/services/writer.ts';
import { expectExactly, expectNothingElse } from './exactly.ts';
import { PROBES, randomFrom, specs } from './generate.ts';
import { connect, finish } from './reader.ts';
import { createMemoryServiceStore } from './store.ts';
import { objection, startServiceTraffic } from './traffic.ts';
import { changesBetween, createNumbering, createPoolNumbers, desired, type Numbering, type Spec } from './world.ts';

interface How {
  readonly seed: number;
  readonly settle: boolean;
  readonly incremental: boolean;
}

const how: fc.Arbitrary<How> = fc.record({ seed: fc.integer(), settle: fc.boolean(), incremental: fc.boolean() });

/** Whether a service is taken out for a moment, since its prefixes cannot be changed otherwise. */
function isRebuilt(before: Spec, after: Spec): boolean {
  return after.fronts.some((front) => {
    const old = before.fronts.find(({ at, scope }) => at === front.at && scope === front.scope);
    if (front.ranges === undefined || old === undefined) return false;
    const turned = old.ranges !== undefined && (((old.flags ?? 0) ^ (front.flags ?? 0)) & SERVICE_FLAG.SOURCE_DENY) !== 0;
    return turned || (old.pool !== front.pool && String(old.ranges) !== String(front.ranges));
  });
}

async function run(sequence: readonly Spec[], { seed, settle, incremental }: How, numberings: () => Numbering, strict: boolean): Promise<void> {
  const store = createMemoryServiceStore();
  const writer = await createServiceWriter({ store, logger: silentLogger }, { reclaimDelayMs: 60_000 });
  const [first] = sequence;
  if (first === undefined) return;
  let records = numberings().records(first);
  await writer.apply(desired(records));
  const random = randomFrom(seed);
  const traffic = startServiceTraffic(store, random);
  const check = (): void => {
    for (const each of traffic.seen.splice(0)) {
      const passed = sequence.slice(each.began, each.ended + 2);
      const wrong = objection(each, passed, strict && !passed.some((spec, index) => index > 0 && isRebuilt(passed[index - 1] ?? spec, spec)));
      if (wrong !== undefined) throw new Error(`${wrong}\n${passed.map((spec) => JSON.stringify(spec)).join('\n')}`);
    }
    expect(traffic.strayed).toEqual([]);
  };
  for (const [index, spec] of sequence.entries()) {
    if (index === 0) continue;
    traffic.phase = index - 1;
    const before = records;
    records = numberings().records(spec);
    const report = await writer.apply(desired(records, incremental ? changesBetween(before, records) : undefined));
    expect(report.failures).toEqual([]);
    check();
    expectExactly(store, records);
    for (const probe of PROBES) {
      const outcome = finish(connect(store, { ...probe, hash: random(2 ** 32) }));
      const wrong = objection({ probe: { ...probe, hash: 0 }, outcome }, [spec], true);
      if (wrong !== undefined) throw new Error(`in force: ${wrong}`);
    }
    if (settle) await writer.settled();
  }
  traffic.drain();
  check();
  await writer.settled();
  expectNothingElse(store, records);
}

describe('connections and flows at any moment of a change', () => {
  it('get a backend that their service has or had, and get one as long as it has any', async () => {
    await fc.assert(fc.asyncProperty(specs, how, (sequence, each) => {
      const numbering = createNumbering();
      return run(sequence, each, () => numbering, true);
    }), { numRuns: 200 });
  }, 600_000);

  it('never get another’s, when ids and indexes are given away again at once', async () => {
    await fc.assert(fc.asyncProperty(specs, how, (sequence, each) => {
      const numbering = createNumbering({ services: 8, backends: 20 });
      return run(sequence, each, () => numbering, false);
    }), { numRuns: 200 });
  }, 600_000);

  it('never get another’s, when services and backends have other numbers each time', async () => {
    await fc.assert(fc.asyncProperty(specs, how, (sequence, each) => {
      const pools = createPoolNumbers();
      return run(sequence, each, () => createNumbering({}, pools), false);
    }), { numRuns: 200 });
  }, 600_000);
});
