import { silentLogger } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import type { DesiredState, Slot } from '../../src/state/desired.ts';
import { createWriter, type Writer } from '../../src/write/writer.ts';
import { createMemoryStore, type MemorySizes, type MemoryStore } from '../support/memory-store.ts';
import { observe, WORLD } from '../support/reader.ts';
import { endpoint, oracle, policy, probes, row, world } from '../support/world.ts';

const open = (store: MemoryStore): Promise<Writer> => createWriter({ store, logger: silentLogger }, { world: WORLD, reclaimDelayMs: 60_000 });

async function start(state: DesiredState, sizes?: MemorySizes): Promise<{ store: MemoryStore; writer: Writer }> {
  const store = createMemoryStore(sizes);
  const writer = await open(store);
  await writer.apply(state);
  await writer.settled();
  return { store, writer };
}

function expectWorld(store: MemoryStore, state: DesiredState, extra: readonly string[] = []): void {
  for (const probe of probes([state], extra)) expect([probe.ifindex, probe.destination.text, probe.start, observe(store, probe).allowed]).toEqual([probe.ifindex, probe.destination.text, probe.start, oracle(state, probe)]);
}

const web = policy({ ingressAny: row(), ingress: { 300: row(80) } });
const client = policy({});

describe('apply', () => {
  it('puts a first state in force', async () => {
    const state = world([endpoint(1, 300, client), endpoint(2, 400, web), endpoint(3, 500, client)], { '8.8.8.8': 16_777_217, '192.168.0.0/16': 16_777_218 });
    const { store } = await start(state);
    expectWorld(store, state, ['8.8.8.8', '192.168.3.4', '1.1.1.1']);
  });

  it('does nothing when nothing differs, also after a restart and with other objects of the same content', async () => {
    const build = () => world([endpoint(1, 300, policy({})), endpoint(2, 400, policy({ ingressAny: row(), ingress: { 300: row(80) } }))], { '10.1.0.0/16': 16_777_217 });
    const { store, writer } = await start(build());
    const steps = store.steps;
    expect(await writer.apply(build())).toMatchObject({ switched: false, changed: false });
    const again = await open(store);
    expect(again.restored).toMatchObject({ found: true });
    expect([...again.restored.endpoints.keys()]).toEqual([1, 2]);
    expect(await again.apply(build())).toMatchObject({ switched: false, changed: false, failures: [] });
    expect(store.steps).toBe(steps);
  });

  it('adds an endpoint of a new identity without moving the epoch and without a grace period', async () => {
    const before = world([endpoint(2, 400, web)]);
    const { store, writer } = await start(before);
    const graces = store.graces;
    const after = world([endpoint(1, 301, client), endpoint(2, 400, policy({ ingressAny: row(), ingress: { 300: row(80), 301: row(443) } }))]);
    expect(await writer.apply(after)).toMatchObject({ switched: false, changed: true, failures: [] });
    expect(store.graces).toBe(graces);
    expectWorld(store, after);
  });

  it('moves the epoch once for any number of changed policies', async () => {
    const before = world([endpoint(1, 300, client), endpoint(2, 400, web), endpoint(3, 500, web)]);
    const { store, writer } = await start(before);
    const open443 = policy({ ingressAny: row(), ingress: { 300: row(443) } });
    const after = world([endpoint(1, 300, client), endpoint(2, 400, open443), endpoint(3, 500, open443)]);
    const report = await writer.apply(after);
    expect(report).toMatchObject({ switched: true, epoch: 1n, failures: [] });
    expect([...report.revisions]).toEqual([[1, 1], [2, 2], [3, 2]]);
    expectWorld(store, after);
  });

  it('leaves nothing behind', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client), endpoint(2, 400, web)], { '8.8.8.8': 16_777_217, '10.9.0.0/16': 16_777_218 }));
    for (let i = 0; i < 10; i++) await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(i), ingress: { 300: row(80, i + 1) } }))]));
    expect(await writer.apply(world([]))).toMatchObject({ failures: [] });
    await writer.settled();
    expect([store.policy.size, store.addresses.size, [...store.prefixes.entries()].length]).toEqual([0, 0, 0]);
    const all = world([1, 2, 3, 4, 5, 6, 7].map((slot) => endpoint(slot, 300 + slot, policy({ ingressAny: row(...Array.from({ length: 15 }, (_, i) => slot * 100 + 2 * i)) }))));
    expect(await writer.apply(all)).toMatchObject({ failures: [] });
    expectWorld(store, all);
  });

  it('gives a slot that is used again another generation', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client), endpoint(2, 400, client)]));
    const [probe] = probes([world([endpoint(1, 300, client)])], ['10.0.0.2']);
    if (probe === undefined) throw new Error('no probe');
    const before = observe(store, { ...probe, destination: { ...probe.destination } });
    await writer.apply(world([endpoint(2, 400, client)]));
    const again = await open(store);
    await again.apply(world([endpoint(1, 300, client), endpoint(2, 400, client)]));
    expect(observe(store, probe).witness[0]).not.toEqual(before.witness[0]);
  });

  it('judges addresses by their new identity with the new policies, though others join or leave that identity', async () => {
    const names = (target: number, port: number) => policy({ egressAny: row(), egress: { 9: row(port), [target]: row(80) } });
    // Both addresses were something else; one of them something that no policy names any more.
    const { store, writer } = await start(world([endpoint(1, 300, names(16_777_218, 443)), endpoint(2, 400, client)], { '8.8.8.8': 16_777_218 }));
    const shared = world([endpoint(1, 300, names(16_777_300, 8443)), endpoint(2, 400, client)], { '8.8.8.8': 16_777_300, '8.8.4.4': 16_777_300 });
    expect(await writer.apply(shared)).toMatchObject({ switched: true, failures: [] });
    expectWorld(store, shared, ['8.8.8.8', '8.8.4.4']);
    const parted = world([endpoint(1, 300, names(16_777_219, 9443)), endpoint(2, 400, client)], { '8.8.4.4': 16_777_219 });
    expect(await writer.apply(parted)).toMatchObject({ switched: true, failures: [] });
    expectWorld(store, parted, ['8.8.8.8', '8.8.4.4']);
    await writer.settled();
    expect((await open(store)).restored.addresses).toEqual(new Map([['8.8.4.4/32', { identity: 16_777_219 }]]));
  });

  it('joins a policy in force though that knew an identity that goes', async () => {
    const some = policy({ egressAny: row(443), egress: { 9: row(80) } });
    const none = policy({ ingressAny: row(), egressAny: row() });
    const { store, writer } = await start(world([endpoint(2, 300, some), endpoint(4, 302, none)], { '0.0.0.0/0': 16_777_220 }));
    const after = world([endpoint(2, 300, some), endpoint(4, 300, some)]);
    const [probe] = probes([after], ['10.8.8.8'], [443]).filter(({ ifindex, destination }) => ifindex === 14 && destination.text === '10.8.8.8');
    if (probe === undefined) throw new Error('no probe');
    const seen = new Set<boolean>();
    store.onStep = () => void seen.add(observe(store, probe).allowed);
    expect(await writer.apply(after)).toMatchObject({ switched: true, failures: [] });
    expect(seen).toEqual(new Set([false]));
    expectWorld(store, after, ['10.8.8.8']);
  });

  it('joins a policy in force with entries that were to be deleted and are wanted again', async () => {
    const none = policy({ egressAny: row() });
    const names = policy({ egressAny: row(), egress: { 302: row(80) } });
    const { store, writer } = await start(world([endpoint(2, 301, names), endpoint(3, 302, client)]));
    // Nothing carries 302 any more: its entry is marked, and still there when the next change comes.
    await writer.apply(world([endpoint(2, 301, none), endpoint(3, 300, client)]));
    const after = world([endpoint(2, 302, client), endpoint(3, 301, names)]);
    expect(await writer.apply(after)).toMatchObject({ failures: [] });
    await writer.settled();
    expectWorld(store, after);
  });

  it('locks down at once and opens again', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client), endpoint(2, 400, client)]));
    const locked = world([endpoint(1, 300, client), endpoint(2, 400, 'locked-down')]);
    expect(await writer.apply(locked)).toMatchObject({ switched: true });
    expectWorld(store, locked);
    const opened = world([endpoint(1, 300, client), endpoint(2, 400, client)]);
    await writer.apply(opened);
    expectWorld(store, opened);
  });

  it('keeps IPv4 out of very short IPv6 prefixes', async () => {
    const state = world([endpoint(1, 300, policy({ egressAny: row(), egress: { 16_777_300: row('all') } }))], { '::/0': 16_777_300 });
    const { store } = await start(state);
    const [probe] = probes([state], ['1.2.3.4'], [80]).filter((each) => each.destination.text === '1.2.3.4');
    expect(probe === undefined ? undefined : observe(store, probe).allowed).toBe(false);
  });
});

describe('failures of capacity', () => {
  it('keep the old policy when the policy map is full', async () => {
    const before = world([endpoint(1, 300, client), endpoint(2, 400, web)], { '8.8.8.8': 1000 });
    const { store, writer } = await start(before, { policy: 4 });
    const big = policy({ ingressAny: row(), ingress: { 300: row(443), 1: row(1), 2: row(2), 3: row(3), 4: row(4) } });
    const report = await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, big)], { '8.8.8.8': 1000 }));
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'policy-map-full', effect: 'kept-old-policy' }]);
    expectWorld(store, before);
    await writer.settled();
    expect(store.policy.size).toBe(1);
  });

  it('open nothing to an address without room when the prefix that covered it goes', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, policy({ egressAny: row(), egress: { 9: row(443) } }))], { '10.8.0.0/16': 16_777_217 }), { addresses: 1 });
    const after = world([endpoint(1, 300, policy({ egressAny: row(80), egress: { 9: row() } }))], { '10.8.8.8': 16_777_219 });
    const [probe] = probes([after], ['10.8.8.8'], [443]).filter(({ destination }) => destination.text === '10.8.8.8');
    if (probe === undefined) throw new Error('no probe');
    const seen = new Set<boolean>();
    store.onStep = () => void seen.add(observe(store, probe).allowed);
    const { failures } = await writer.apply(after);
    expect(failures).toMatchObject([{ address: '10.8.8.8/32', effect: 'not-published' }, { slot: 1, reason: 'addresses-full', effect: 'locked-down' }]);
    expect([...seen, observe(store, probe).allowed]).toEqual([false, false]);
  });

  it('keep the old policy though there is no room to tell it of identities that it judges like all others', async () => {
    const before = world([endpoint(1, 300, client), endpoint(2, 400, web)]);
    const { store, writer } = await start(before, { policy: 2 });
    const cidrs = Object.fromEntries([1, 2, 3].map((n) => [`198.18.${n}.0/24`, 16_777_216 + n]));
    const many = policy({ ingressAny: row(), ingress: Object.fromEntries(Object.values(cidrs).map((identity) => [identity, row(80)])) });
    const report = await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, many)], cidrs));
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'policy-map-full', effect: 'kept-old-policy' }]);
    expectWorld(store, world([...before.endpoints], cidrs), ['198.18.1.1']);
  });

  it('lock an endpoint down whose old policy cannot be told of identities that it must not judge like all others', async () => {
    const before = world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row('all'), ingress: { 9: row() } }))]);
    const { store, writer } = await start(before, { policy: 1 });
    const after = world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(80), ingress: { 9: row(), 16_777_217: row() } }))], { '198.18.1.0/24': 16_777_217 });
    const report = await writer.apply(after);
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'policy-map-full', effect: 'locked-down' }]);
    expectWorld(store, world([endpoint(1, 300, client), endpoint(2, 400, 'locked-down')], { '198.18.1.0/24': 16_777_217 }));
  });

  it('lock a new endpoint down whose policy does not fit', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client)]), { policy: 2 });
    const big = policy({ ingressAny: row(), ingress: { 300: row(80), 1: row(1), 2: row(2) } });
    const report = await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, big)]));
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'policy-map-full', effect: 'locked-down' }]);
    expectWorld(store, world([endpoint(1, 300, client), endpoint(2, 400, 'locked-down')]));
    const fits = world([endpoint(1, 300, client), endpoint(2, 400, web)]);
    expect(await writer.apply(fits)).toMatchObject({ failures: [], switched: true });
    expectWorld(store, fits);
  });

  it('keep the old policy when there is no room for rows', async () => {
    const before = world([endpoint(1, 300, client), endpoint(2, 400, web)]);
    const { store, writer } = await start(before, { rows: 16 });
    const wide = policy({ ingressAny: row(), ingress: { 300: row(2, 4, 6, 8, 10, 12, 14, 16) } });
    const report = await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, wide)]));
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'rows-full', effect: 'kept-old-policy' }]);
    expectWorld(store, before);
  });

  it('do not publish an identity that a policy in force cannot be told about', async () => {
    const before = world([endpoint(2, 400, policy({ ingressAny: row('all'), ingress: { 300: row(80) } }))]);
    const { store, writer } = await start(before, { policy: 1 });
    const denied = policy({ ingressAny: row('all'), ingress: { 300: row(80), 666: row() } });
    const after = world([endpoint(1, 666, client), endpoint(2, 400, denied)]);
    const report = await writer.apply(after);
    expect(report.failures).toMatchObject([{ slot: 1, effect: 'not-published' }]);
    const [probe] = probes([after], [], [80]).filter(({ ifindex, destination }) => ifindex === 11 && destination.text === '10.0.0.2');
    expect(probe === undefined ? undefined : observe(store, probe).allowed).toBe(false);
  });

  it('take an endpoint out of service whose address does not fit', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client)]), { addresses: 1 });
    const report = await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, client)]));
    expect(report.failures).toMatchObject([{ slot: 2, reason: 'addresses-full', effect: 'not-published' }]);
    expect(report.revisions.has(2 as Slot)).toBe(false);
    expect(store.addresses.size).toBe(1);
  });

  it('find room by deleting what is unused', async () => {
    const { store, writer } = await start(world([endpoint(1, 300, client), endpoint(2, 400, web)]), { policy: 2 });
    for (let i = 0; i < 5; i++) {
      const next = world([endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(), ingress: { 300: row(100 + i) } }))]);
      expect(await writer.apply(next)).toMatchObject({ failures: [], switched: true });
      expectWorld(store, next);
    }
  });

  it('do not take back, to make room, what the same pass has just written', async () => {
    const state = (second: number, third: number) => world([
      endpoint(1, 300, client), endpoint(2, 400, policy({ ingressAny: row(), ingress: { 300: row(second) } })), endpoint(3, 401, policy({ ingressAny: row(), ingress: { 300: row(third) } })),
    ]);
    const { store, writer } = await start(state(1, 2), { policy: 3 });
    const report = await writer.apply(state(80, 443));
    expect(report.failures).toMatchObject([{ slot: 3, reason: 'policy-map-full', effect: 'kept-old-policy' }]);
    expectWorld(store, state(80, 2));
    await writer.settled();
    expect(await writer.apply(state(80, 443))).toMatchObject({ failures: [] });
    expectWorld(store, state(80, 443));
  });

  it('lock an endpoint down that tells an address apart which the kernel refuses, though there is room for it', async () => {
    const before = world([endpoint(1, 300, policy({ egressAny: row('all'), egress: { 9: row(80) } }))]);
    const { store, writer } = await start(before);
    store.onStep = (operation) => {
      if (operation === 'addresses.update') throw Object.assign(new Error('no memory'), { code: 'ENOMEM' });
    };
    const after = world([endpoint(1, 300, policy({ egressAny: row('all'), egress: { 9: row(80), 16_777_217: row() } }))], { '8.8.8.8': 16_777_217 });
    const { failures } = await writer.apply(after);
    expect(failures).toMatchObject([{ address: '8.8.8.8/32', effect: 'not-published' }, { slot: 1, reason: 'addresses-full', effect: 'locked-down' }]);
    expectWorld(store, world([endpoint(1, 300, 'locked-down')]), ['8.8.8.8']);
    store.onStep = () => undefined;
    expect(await writer.apply(after)).toMatchObject({ failures: [] });
    expectWorld(store, after, ['8.8.8.8']);
  });

  it('refuse a row that the search cannot span', async () => {
    const { writer } = await start(world([endpoint(1, 300, client)]), { rows: 4096 });
    const long = policy({ ingressAny: row(...Array.from({ length: 600 }, (_, i) => 2 * i)) });
    expect((await writer.apply(world([endpoint(1, 300, client), endpoint(2, 400, long)]))).failures).toMatchObject([{ slot: 2, reason: 'row-too-large', effect: 'locked-down' }]);
  });
});

describe('misuse', () => {
  it.each([
    ['a slot beyond the arrays', world([endpoint(1, 300, client), [99 as Slot, endpoint(2, 300, client)[1]]]), /slot 99/],
    ['two endpoints with one address', world([endpoint(1, 300, client), endpoint(2, 300, client, { ipv4: endpoint(1, 1, client)[1].ipv4 ?? expect.fail() })]), /both have the address/],
    ['a malformed prefix', world([], { '10.0.0.0/40': 5 }), /no address and no prefix/],
    ['an impossible id', world([endpoint(1, 300, client, { id: 0 })]), /id 0/],
  ])('%s is refused and nothing is written', async (_, state, message) => {
    const { store, writer } = await start(world([]));
    const steps = store.steps;
    await expect(writer.apply(state)).rejects.toThrow(message);
    expect(store.steps).toBe(steps);
  });
});
