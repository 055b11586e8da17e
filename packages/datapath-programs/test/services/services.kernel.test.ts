import { silentLogger } from '@cilium-ts/core';
import { MAPS } from '@cilium-ts/datapath-layout';
import { createMap, type BpfMap } from 'libbpf-napi';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kernelServiceStore } from '../../src/services/kernel-store.ts';
import { openServices } from '../../src/services/open.ts';
import type { ServiceStore } from '../../src/services/ports.ts';
import { createServiceWriter } from '../../src/services/writer.ts';
import { expectExactly, expectNothingElse } from './exactly.ts';
import { PROBES, specs } from './generate.ts';
import { manyServices } from './many.ts';
import { connect, finish } from './reader.ts';
import { objection } from './traffic.ts';
import { changesBetween, createNumbering, desired } from './world.ts';

const NAMES = ['cilium_services', 'cilium_backends', 'cilium_service_runs', 'cilium_vips', 'cilium_frontends', 'cilium_source_ranges', 'cilium_pool_members'] as const;
type Name = (typeof NAMES)[number];
let maps: Record<Name, BpfMap>;
let store: ServiceStore;

function createMaps(sizes: Partial<Record<Name, number>> = {}): void {
  maps = Object.fromEntries(NAMES.map((name) => [name, createMap({ name: name.slice(0, 15), ...MAPS[name], maxEntries: sizes[name] ?? MAPS[name].maxEntries })])) as Record<Name, BpfMap>;
  store = kernelServiceStore(maps);
}

beforeEach(() => createMaps());
afterEach(() => {
  for (const map of Object.values(maps)) map.close();
});

describe('services in the kernel’s maps', () => {
  it('are what is desired after any sequence of changes and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(specs, fc.boolean(), fc.boolean(), async (sequence, incremental, restart) => {
        for (const map of Object.values(maps)) map.close();
        createMaps({ cilium_services: 64, cilium_backends: 64, cilium_service_runs: 256, cilium_frontends: 64, cilium_source_ranges: 64 });
        const numbering = createNumbering();
        let writer = await createServiceWriter({ store, logger: silentLogger });
        let before = numbering.records({ fronts: [], pools: {} });
        for (const spec of sequence) {
          const records = numbering.records(spec);
          expect(await writer.apply(desired(records, incremental ? changesBetween(before, records) : undefined))).toMatchObject({ failures: [] });
          before = records;
          expectExactly(store, records);
          for (const probe of PROBES) {
            for (const hash of [0, 0xffff_ffff]) {
              const outcome = finish(connect(store, { ...probe, hash }));
              expect(objection({ probe: { ...probe, hash }, outcome }, [spec], true)).toBeUndefined();
            }
          }
          if (!restart) continue;
          await writer.close();
          writer = await createServiceWriter({ store, logger: silentLogger });
          expect(await writer.apply(desired(records))).toMatchObject({ changed: false });
        }
        await writer.settled();
        expectNothingElse(store, before);
        await writer.close();
      }),
      { numRuns: 25 },
    );
  }, 600_000);

  it('say which is full, and leave nothing behind of what found no room', async () => {
    for (const map of Object.values(maps)) map.close();
    createMaps({ cilium_frontends: 2, cilium_source_ranges: 1 });
    const numbering = createNumbering();
    const writer = await createServiceWriter({ store, logger: silentLogger });
    const spec = { fronts: [0, 1, 2].map((n) => ({ at: `10.96.0.${n}:80`, pool: 'p' })), pools: { p: { '10.0.0.1:80': 1 } } };
    expect(await writer.apply(desired(numbering.records(spec)))).toMatchObject({ failures: [{ id: 3, reason: 'services-full', effect: 'not-published' }] });
    const ranged = { ...spec, fronts: [{ at: '10.96.0.0:80', pool: 'p', ranges: ['10.1.0.0/16', '10.2.0.0/16'] }] };
    expect(await writer.apply(desired(numbering.records(ranged)))).toMatchObject({ failures: [{ id: 1, reason: 'source-ranges-full', effect: 'kept' }] });
    const records = numbering.records({ ...ranged, fronts: [{ at: '10.96.0.0:80', pool: 'p', ranges: ['10.1.0.0/16'] }] });
    expect(await writer.apply(desired(records))).toMatchObject({ failures: [] });
    expectExactly(store, records);
    await writer.close();
  });

  it('hold 10,000 services of 10 backends each, and Maglev tables of the largest size', async () => {
    const services = await openServices({}, maps);
    const many = manyServices(10_000, 10);
    const times: Record<string, number> = {};
    const timed = async <T>(name: string, action: () => Promise<T>): Promise<T> => {
      const [began, cpu] = [performance.now(), process.cpuUsage()];
      const result = await action();
      times[name] = performance.now() - began;
      const { user, system } = process.cpuUsage(cpu);
      times[`${name}, CPU`] = (user + system) / 1000;
      return result;
    };
    expect(await timed('10,000 services from empty', () => services.apply(desired(many.records)))).toMatchObject({ changed: true, failures: [] });
    const samples: number[] = [];
    for (let n = 0; n < 2000; n++) {
      const changed = many.replaceBackend(1 + ((n * 7919) % 10_000));
      const began = performance.now();
      const { failures, ended } = await services.apply(desired(many.records, changed));
      samples.push(performance.now() - began);
      expect([failures.length, ended.length]).toEqual([0, 1]);
    }
    samples.sort((a, b) => a - b);
    times['a backend replaced, median'] = samples[1000] ?? NaN;
    times['a backend replaced, 99th of 100'] = samples[1980] ?? NaN;
    await services.settled();
    expect(await timed('all compared, nothing differs', () => services.apply(desired(many.records)))).toMatchObject({ changed: false });
    await services.close();
    const again = await timed('restart', () => openServices({}, maps));
    expect([again.restored.services.size, again.restored.backends.size]).toEqual([10_000, 100_000]);
    expect(await timed('first apply after it', () => again.apply(desired(many.records)))).toMatchObject({ changed: false });
    const run = new Uint32Array(131_071).map((_, place) => (many.records.pools.get(1)?.run ?? [])[place % 10] ?? 0);
    const pools = new Map(many.records.pools).set(1, { id: 1, run });
    expect(await timed('a Maglev table of 131,071 places', () => again.apply(desired({ ...many.records, pools }, { services: [], pools: [1], backends: [] })))).toMatchObject({ changed: true, failures: [] });
    expect((await timed('dump', async () => again.dump()))[0]).toMatchObject({ id: 1, runLength: 131_071 });
    await again.close();
    console.log(Object.entries(times).map(([name, ms]) => `${name}: ${ms.toFixed(2)} ms`).join('\n'));
  }, 600_000);
});
