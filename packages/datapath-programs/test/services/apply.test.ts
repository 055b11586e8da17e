import { ipToKey16, parseIp, silentLogger } from '@cilium-ts/core';
import { addressBucket, MAPS, nodeStateOffsets, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { describe, expect, it } from 'vitest';
import { dumpServices } from '../../src/services/dump.ts';
import { SERVICE_WORDS } from '../../src/services/service-table.ts';
import { createServiceWriter, type ServiceWriter } from '../../src/services/writer.ts';
import type { ServiceRecords } from '../../src/services/records.ts';
import { expectExactly, expectNothingElse } from './exactly.ts';
import { connect, finish } from './reader.ts';
import { createMemoryServiceStore, type MemoryServiceSizes, type MemoryServiceStore } from './store.ts';
import { changesBetween, createNumbering, desired, type PoolSpec, type Spec } from './world.ts';

const open = (store: MemoryServiceStore): Promise<ServiceWriter> => createServiceWriter({ store, logger: silentLogger }, { reclaimDelayMs: 60_000 });
const ep = (service: number, count: number, weight = 1): PoolSpec => Object.fromEntries(Array.from({ length: count }, (_, n) => [`10.${service}.0.${n + 1}:8080`, weight]));
/** Services with one frontend and so many backends each. */
const services = (counts: readonly number[], weight = 1): Spec => ({
  fronts: counts.map((_, n) => ({ at: `10.96.0.${n}:80`, pool: `p${n}` })),
  pools: Object.fromEntries(counts.map((count, n) => [`p${n}`, ep(n, count, weight)])),
});

async function rig(sizes: MemoryServiceSizes = {}) {
  const store = createMemoryServiceStore(sizes);
  const writer = await open(store);
  const numbering = createNumbering({ services: 200, backends: 200 });
  let records: ServiceRecords = numbering.records({ fronts: [], pools: {} });
  const apply = async (spec: Spec, incremental = true) => {
    const before = records;
    records = numbering.records(spec);
    return writer.apply(desired(records, incremental ? changesBetween(before, records) : undefined));
  };
  const reach = (n: number, hash = 0) => finish(connect(store, { to: `10.96.0.${n}:80`, from: 'inside', client: '10.1.0.1', hash }));
  return { store, writer, apply, reach, numbering, get records() { return records; } };
}

describe('apply', () => {
  it('writes nothing when nothing differs, and little when little does', async () => {
    const { store, apply } = await rig();
    await apply(services([3, 3, 3]));
    const [steps, graces] = [store.steps, store.graces];
    expect(await apply(services([3, 3, 3]))).toEqual({ changed: false, failures: [], ended: [], guarded: [] });
    expect(await apply(services([3, 3, 3]), false)).toMatchObject({ changed: false });
    expect([store.steps, store.graces]).toEqual([steps, graces]);
    expect(await apply(services([3, 4, 3]))).toMatchObject({ changed: true });
    // Four words of the backend and the one that brings it to life, two of the run, and the one that switches to it.
    expect([store.steps - steps, store.graces]).toEqual([8, graces]);
  });

  it('needs no grace period for any number of changes of backends', async () => {
    const test = await rig();
    await test.apply(services([3, 3]));
    const { graces } = test.store;
    for (let round = 0; round < 20; round++) await test.apply(services([3, 2 + (round % 2)]));
    expect(test.store.graces).toBe(graces);
    await test.writer.settled();
    expectNothingElse(test.store, test.records);
  });

  it('changes the two scopes of a frontend by one store after the other, whatever else changes', async () => {
    const { store, apply } = await rig();
    // The pools of the scopes come apart: all of one, then all of the other, as the ids of pools may well do.
    const spec = (first: number): Spec => ({
      fronts: [0, 1, 2].flatMap((n) => [{ at: `10.96.0.${n}:80`, pool: `out${n}`, flags: SERVICE_FLAG.TWO_SCOPES }, { at: `10.96.0.${n}:80`, scope: 'internal' as const, pool: `in${n}` }]),
      pools: Object.fromEntries(['out', 'in'].flatMap((kind, at) => [0, 1, 2].map((n) => [`${kind}${n}`, { [`10.${at}.${n}.${first}:80`]: 1, [`10.${at}.${n}.${first + 1}:80`]: 2 }]))),
    });
    await apply(spec(1));
    const targets = (): bigint[] => [1, 2, 3, 4, 5, 6].map((id) => store.services.load(id * SERVICE_WORDS));
    const before = targets();
    const torn: string[] = [];
    let longest = 0;
    let length = 0;
    store.onStep = () => {
      const now = targets();
      const changed = now.map((each, at) => each !== before[at]);
      const halves = [0, 2, 4].filter((at) => changed[at] !== changed[at + 1]);
      length = halves.length > 0 ? length + 1 : 0;
      longest = Math.max(longest, length);
      if (halves.length > 1) torn.push(halves.join());
    };
    await apply(spec(5));
    store.onStep = () => undefined;
    expect(targets().every((each, at) => each !== before[at])).toBe(true);
    expect([torn, longest]).toEqual([[], 1]);
  });

  it('has flows to an address decided anew when it gets a frontend, and only then', async () => {
    const words = new BigUint64Array(Math.ceil(MAPS.cilium_node.valueSize / 8));
    const node = { length: words.length, load: (index: number) => words[index] ?? 0n, store: (index: number, value: bigint) => { words[index] = value; } };
    const writer = await open({ ...createMemoryServiceStore({}), node });
    const numbering = createNumbering({ services: 200, backends: 200 });
    const counter = (address: string) => Number((words[(nodeStateOffsets.addressBuckets >> 3) + (addressBucket(ipToKey16(parseIp(address)!)) >> 1)]! >> (addressBucket(ipToKey16(parseIp(address)!)) & 1 ? 32n : 0n)) & 0xffff_ffffn);
    await writer.apply(desired(numbering.records(services([2, 2]))));
    expect([counter('10.96.0.0'), counter('10.96.0.1'), counter('10.96.0.2')]).toEqual([1, 1, 0]);
    await writer.apply(desired(numbering.records(services([3, 1, 2]))));
    expect([counter('10.96.0.0'), counter('10.96.0.1'), counter('10.96.0.2')]).toEqual([1, 1, 1]);
    const everywhere = services([3, 1, 2]);
    await writer.apply(desired(numbering.records({ ...everywhere, fronts: [...everywhere.fronts, { at: '0.0.0.0:30080', pool: 'p0' }] })));
    expect(Number(words[nodeStateOffsets.addressesGeneration >> 3]! & 0xffff_ffffn)).toBe(1);
    await writer.close();
  });

  it('names the backends that ended, with the generation that flows remember', async () => {
    const { store, apply } = await rig();
    await apply(services([2]));
    const generation = dumpServices(store)[0]?.backends.find(({ index }) => index === 2)?.generation;
    expect(await apply(services([1]))).toMatchObject({ ended: [{ record: { index: 2, address: { text: '10.0.0.2' } }, generation }] });
  });

  it('lets the generations of an index grow, through removals and restarts', async () => {
    const store = createMemoryServiceStore();
    const numbering = createNumbering({ backends: 1 });
    const seen: number[] = [];
    for (let round = 0; round < 3; round++) {
      const writer = await open(store);
      for (const spec of [services([1]), services([0]), services([1])]) {
        await writer.apply(desired(numbering.records(spec)));
        seen.push(...dumpServices(store).flatMap(({ backends }) => backends.map(({ generation }) => generation)));
      }
      await writer.apply(desired(numbering.records(services([0]))));
      await writer.close();
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('has services of one pool share one run', async () => {
    const { store, apply } = await rig({ runs: 8 });
    const fronts = Array.from({ length: 6 }, (_, n) => ({ at: `10.96.0.${n}:80`, pool: 'p0' }));
    expect(await apply({ fronts, pools: { p0: ep(0, 8) } })).toMatchObject({ failures: [] });
    expect(new Set(fronts.map((_, n) => store.services.load((n + 1) * 8))).size).toBe(1);
    expect(await apply({ fronts, pools: { p0: ep(0, 7) } })).toMatchObject({ failures: [] });
  });

  it('changes flags, timeout and prefixes under a service in use', async () => {
    const { store, apply, records: _records, ...rest } = await rig();
    const spec = services([2]);
    const front = spec.fronts[0] ?? expect.fail();
    await apply(spec);
    for (const change of [{ flags: SERVICE_FLAG.AFFINITY, timeout: 30 }, { ranges: ['10.1.0.0/16'] }, { ranges: ['10.2.0.0/16', 'fd00::/8'] }, { ranges: ['10.3.0.0/16'], flags: SERVICE_FLAG.SOURCE_DENY }, {}]) {
      const next = { ...spec, fronts: [{ ...front, ...change }] };
      expect(await apply(next)).toMatchObject({ changed: true, failures: [], ended: [] });
      expectExactly(store, rest.numbering.records(next));
    }
  });

  it('follows the node’s addresses', async () => {
    const store = createMemoryServiceStore();
    const writer = await open(store);
    const numbering = createNumbering();
    const records = numbering.records({ fronts: [{ at: '0.0.0.0:30080', pool: 'p0' }], pools: { p0: ep(0, 1) } });
    const reach = (at: string) => finish(connect(store, { to: `${at}:30080`, from: 'outside', client: '10.1.0.1', hash: 0 })).result;
    await writer.apply(desired(records, undefined, []));
    expect(reach('192.0.2.1')).toBe('unknown');
    const nothing = { services: [], pools: [], backends: [] };
    await writer.apply(desired(records, nothing, ['192.0.2.1', '192.0.2.7']));
    expect(reach('192.0.2.1')).toBe('backend');
    await writer.apply(desired(records, nothing, ['192.0.2.7']));
    expect(reach('192.0.2.1')).toBe('unknown');
  });

  it('gives back what the kernel holds', async () => {
    const { store, apply, writer } = await rig();
    expect(writer.restored).toEqual({ services: new Map(), backends: new Map() });
    await apply({ fronts: [{ at: '[fd00::1]:53/17', pool: 'p0', flags: SERVICE_FLAG.SOURCE_DENY, ranges: ['fd00::/16'], timeout: 5 }, { at: '[fd00::1]:0/0' }], pools: { p0: ep(0, 2) } });
    const { restored } = await open(store);
    expect([...restored.services.values()]).toMatchObject([{ id: 1, address: { text: 'fd00::1' }, port: 53, protocol: 17, scope: 'external', pool: 1, affinityTimeout: 5, sourceRanges: [{ text: 'fd00::/16' }] }]);
    expect([...restored.backends.values()]).toMatchObject([{ index: 1, pool: 1, address: { text: '10.0.0.1' }, port: 8080, protocol: 6, state: 'active' }, { index: 2 }]);
  });
});

describe('a connection that has found its frontend and not yet read where it leads', () => {
  it('is not led to another’s backend when the frontend goes and another comes', async () => {
    const after: Spec = { ...services([0, 1]), fronts: services([0, 1]).fronts.slice(1) };
    const { store, apply } = await rig();
    await apply(services([1]));
    const reader = connect(store, { to: '10.96.0.0:80', from: 'inside', client: '10.1.0.1', hash: 0 });
    for (let accesses = 0; accesses < 2; accesses++) reader.next();
    let release: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (release = resolve));
    store.onGrace = () => gone;
    const changes = (async () => {
      await apply({ fronts: [], pools: {} });
      await apply(after);
    })();
    for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
    const outcome = finish(reader);
    expect(outcome.result === 'backend' ? outcome.backend.endpoint : '10.0.0.1:8080').toBe('10.0.0.1:8080');
    release();
    await changes;
    expect(finish(connect(store, { to: '10.96.0.1:80', from: 'inside', client: '10.1.0.1', hash: 0 }))).toMatchObject({ backend: { endpoint: '10.1.0.1:8080' } });
  });
});

describe('records that contradict each other', () => {
  it.each([
    ['two services of one frontend', (records: ServiceRecords) => ({ ...records, services: new Map([...records.services, [9, { ...records.services.get(1)!, id: 9 }]]) }), /1 and 9 are both 10\.96\.0\.0 80 6/],
    ['a run that names another pool’s backend', (records: ServiceRecords) => ({ ...records, pools: new Map([...records.pools, [1, { id: 1, run: Uint32Array.of(1, 3) }]]) }), /run of 1 names backend 3, which is of pool 2/],
    ['a run that names nothing', (records: ServiceRecords) => ({ ...records, pools: new Map([...records.pools, [1, { id: 1, run: Uint32Array.of(44) }]]) }), /backend 44, which is not there/],
    ['a port that is none', (records: ServiceRecords) => ({ ...records, services: new Map([...records.services, [9, { ...records.services.get(1)!, id: 9, port: 65_536 }]]) }), /service 9 has port 65536/],
  ])('%s are refused, and nothing is changed', async (_, spoil, message) => {
    const { store, writer, apply, records: _none, ...rest } = await rig();
    await apply(services([2, 1]));
    const records = rest.numbering.records(services([2, 1]));
    const { steps } = store;
    await expect(writer.apply(desired(spoil(records)))).rejects.toThrow(message);
    await expect(writer.apply(desired(spoil(records)))).rejects.toBeInstanceOf(RangeError);
    expect(store.steps).toBe(steps);
    expect(await writer.apply(desired(records, { services: [], pools: [], backends: [] }))).toMatchObject({ changed: false });
  });
});

describe('full maps', () => {
  it('frontends: the others are published, nothing is half written, and it goes on when there is room', async () => {
    const { store, apply, reach, writer } = await rig({ frontends: 2 });
    expect(await apply(services([1, 1, 1]))).toMatchObject({ failures: [{ id: 3, port: 80, reason: 'services-full', effect: 'not-published', message: /cilium_frontends.*10\.96\.0\.2.*2 entries/ }] });
    expect([reach(0).result, reach(1).result, reach(2).result]).toEqual(['backend', 'backend', 'unknown']);
    expect(store.services.load(3 * 8)).toBe(0n);
    expect(await apply(services([1, 1, 1]))).toMatchObject({ failures: [{ id: 3 }], changed: false });
    const two = services([1, 1, 1]);
    expect(await apply({ ...two, fronts: two.fronts.slice(1) })).toMatchObject({ failures: [] });
    expect([reach(0).result, reach(2).result]).toEqual(['unknown', 'backend']);
    await writer.settled();
  });

  it('services: an id beyond the map', async () => {
    const { apply, reach } = await rig({ services: 2 });
    expect(await apply(services([1, 1]))).toMatchObject({ failures: [{ id: 2, reason: 'services-full', effect: 'not-published' }] });
    expect([reach(0).result, reach(1).result]).toEqual(['backend', 'unknown']);
  });

  it('backends: a service makes do with those that fit', async () => {
    const { apply, reach } = await rig({ backends: 4 });
    expect(await apply(services([2, 2, 1]))).toMatchObject({ failures: [{ id: 2, reason: 'backends-full', effect: 'reduced', message: /1 backends/ }, { id: 3, reason: 'backends-full', effect: 'no-backends' }] });
    expect([reach(1, 0).result, reach(1, 0xffff_ffff).result, reach(2).result]).toEqual(['backend', 'backend', 'no-backend']);
    expect(await apply(services([1, 1]))).toMatchObject({ failures: [] });
  });

  it('runs: a service keeps what it had, or does without weights, or refuses, and recovers', async () => {
    const { store, apply, reach, writer, ...rest } = await rig({ runs: 8, backends: 64 });
    expect(await apply(services([2, 2], 3))).toMatchObject({ failures: [] });
    const heavy: Spec = { ...services([2, 2], 3), pools: { p0: ep(0, 2, 9), p1: ep(1, 2, 3) } };
    expect(await apply(heavy)).toMatchObject({ failures: [{ id: 1, reason: 'runs-full', effect: 'kept' }] });
    expect(reach(0).result).toBe('backend');
    const replaced: Spec = { ...heavy, pools: { ...heavy.pools, p0: Object.fromEntries([['10.0.0.2:8080', 9], ['10.0.0.9:8080', 9]]) } };
    expect(await apply(replaced)).toMatchObject({ failures: [{ id: 1, reason: 'runs-full', effect: 'no-backends' }], ended: [{ record: { address: { text: '10.0.0.1' } } }] });
    await writer.settled();
    expect(await apply({ ...replaced, pools: { ...replaced.pools, p1: ep(1, 2, 3) } }, false)).toMatchObject({ failures: [{ id: 1, reason: 'runs-full', effect: 'reduced' }] });
    expect([reach(0, 0), reach(0, 0xffff_ffff)]).toMatchObject([{ backend: { endpoint: '10.0.0.2:8080' } }, { backend: { endpoint: '10.0.0.9:8080' } }]);
    const small: Spec = { ...replaced, pools: { ...replaced.pools, p0: { '10.0.0.2:8080': 2, '10.0.0.9:8080': 2 } } };
    expect(await apply(small)).toMatchObject({ failures: [] });
    expectExactly(store, rest.numbering.records(small));
  });

  it('runs: a new service that does not fit at all is not published', async () => {
    const { apply, reach } = await rig({ runs: 2 });
    expect(await apply(services([4, 1]))).toMatchObject({ failures: [{ id: 2, reason: 'runs-full', effect: 'not-published' }] });
    expect([reach(0).result, reach(1).result]).toEqual(['backend', 'unknown']);
    const only = services([4, 1]);
    expect(await apply({ fronts: only.fronts.slice(1), pools: only.pools })).toMatchObject({ failures: [] });
    expect(reach(1).result).toBe('backend');
  });

  it('runs: new tables take the places of the old ones', async () => {
    const test = await rig({ runs: 17 });
    const table = (host: number, service: number): PoolSpec => ({ [`10.${service}.0.1:80`]: 7, [`10.${service}.0.${host}:80`]: 8 });
    for (let round = 2; round < 12; round++) {
      expect(await test.apply({ ...services([1, 1]), pools: { p0: table(round, 0), p1: table(round, 1) } })).toMatchObject({ failures: [] });
      await test.writer.settled();
      expectExactly(test.store, test.records);
    }
    expectNothingElse(test.store, test.records);
  });

  it('prefixes: a new service stays closed, one in use keeps what it had', async () => {
    const { store, apply, reach, writer } = await rig({ sourceRanges: 2 });
    const spec = (first: string[], second: string[]): Spec => ({ ...services([1, 1]), fronts: [{ at: '10.96.0.0:80', pool: 'p0', ranges: first }, { at: '10.96.0.1:80', pool: 'p1', ranges: second }] });
    expect(await apply(spec(['10.1.0.0/16'], ['10.1.0.0/16', '10.2.0.0/16']))).toMatchObject({ failures: [{ id: 2, reason: 'source-ranges-full', effect: 'not-published' }] });
    expect([reach(1).result, [...store.sourceRanges.entries()].length]).toEqual(['unknown', 1]);
    expect(await apply(spec(['10.1.0.0/16'], ['10.1.0.0/16']))).toMatchObject({ failures: [] });
    expect(await apply(spec(['10.1.0.0/16', '10.7.0.0/16'], ['10.1.0.0/16']))).toMatchObject({ failures: [{ id: 1, reason: 'source-ranges-full', effect: 'kept' }] });
    expect(dumpServices(store)[0]?.sourceRanges.map(({ text }) => text)).toEqual(['10.1.0.0/16']);
    const last = spec(['10.1.0.0/16', '10.7.0.0/16'], []);
    expect(await apply({ ...last, fronts: last.fronts.slice(0, 1) })).toMatchObject({ failures: [{ id: 1, effect: 'kept' }] });
    await writer.settled();
    expect(await apply({ ...last, fronts: last.fronts.slice(0, 1) })).toMatchObject({ failures: [] });
  });
});

describe('a damaged kernel state', () => {
  it('a frontend that leads to another’s service is taken out, a run of dead backends is not used', async () => {
    const { store, apply, reach, records: _none, ...rest } = await rig();
    await apply(services([2, 2]));
    store.services.store(8 + 1, 0x1234n);
    store.backends.store(3 * 4 + 2, 0n);
    const again = await open(store);
    expect([reach(0).result, reach(1).result]).toEqual(['unknown', 'no-backend']);
    const records = rest.numbering.records(services([2, 2]));
    expect(await again.apply(desired(records))).toMatchObject({ failures: [] });
    expectExactly(store, records);
  });
});
