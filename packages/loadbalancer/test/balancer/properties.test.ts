import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LoadBalancer, LoadBalancerOptions } from '../../src/index.ts';
import { createLoadBalancer, protocolOfNumber, WILDCARD_IDS } from '../../src/index.ts';
import type { Mirror } from '../helpers/stage.ts';
import { applyChanges, emptyMirror, frontendName, frontendTable } from '../helpers/stage.ts';
import type { Action } from './world.ts';
import { action, emptyWorld, tell } from './world.ts';

const options: LoadBalancerOptions = { nodeName: 'node-1', zone: 'a', maglevTableSize: 251, nodeLabels: { 'service.cilium.io/node': 'edge' } };
const tight = { services: 4, frontends: 7, backends: 5, runs: 400, sourceRanges: 3 };
const steps = fc.array(fc.array(action, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 });

/** Ids by what they stand for: frontends by name, backends by pool, address and port. */
function identities({ services, backends }: Mirror) {
  const frontends = new Map([...services.values()].filter(({ id }) => id < WILDCARD_IDS).map((record) => [frontendName(record), record]));
  const members = new Map([...backends.values()].map((record) => [`${record.pool}|${record.address.text}|${record.port}`, record.index]));
  return { frontends, members };
}

/** What must hold in any state, whatever the limits are. */
function checkInvariants(mirror: Mirror, balancer: LoadBalancer): void {
  expect(mirror).toEqual(balancer.records());
  const names = new Set<string>();
  const used = new Set<number>();
  for (const record of mirror.services.values()) {
    const name = `${frontendName(record)}`;
    expect(names.has(name), name).toBe(false);
    names.add(name);
    if (record.id >= WILDCARD_IDS) continue;
    expect(mirror.pools.has(record.pool), name).toBe(true);
    used.add(record.pool);
  }
  expect(new Set(mirror.pools.keys())).toEqual(used);
  for (const { id, run } of mirror.pools.values()) {
    for (const index of new Set(run)) expect(mirror.backends.get(index)?.pool).toBe(id);
  }
  for (const backend of mirror.backends.values()) expect(mirror.pools.has(backend.pool)).toBe(true);
}

/** Frontends and backends that stay keep their ids, and nothing new has an id that was just given back. */
function checkStability(before: Mirror, after: Mirror): void {
  const [old, now] = [identities(before), identities(after)];
  const ids = new Set([...old.frontends.values()].map(({ id }) => id));
  for (const [name, record] of now.frontends) {
    const known = old.frontends.get(name);
    if (known === undefined) expect(ids.has(record.id), `${name} has an id that was in use`).toBe(false);
    else expect(record.id, name).toBe(known.id);
  }
  for (const [name, index] of old.members) if (now.members.has(name)) expect(now.members.get(name)).toBe(index);
}

function snapshot(mirror: Mirror): Mirror {
  return { services: new Map(mirror.services), pools: new Map(mirror.pools), backends: new Map(mirror.backends) };
}

function play(script: readonly (readonly Action[])[], settings: LoadBalancerOptions, each: (before: Mirror, after: Mirror) => void) {
  const world = emptyWorld();
  const balancer = createLoadBalancer(settings);
  const mirror = emptyMirror();
  for (const actions of script) {
    const before = snapshot(mirror);
    for (const act of actions) act(world, balancer);
    applyChanges(balancer, mirror);
    checkInvariants(mirror, balancer);
    each(before, mirror);
  }
  return { world, balancer, mirror };
}

describe('whatever sources do', () => {
  test('changes add up to the records, and ids stay with what they stand for', () => {
    fc.assert(fc.property(steps, (script) => void play(script, options, checkStability)), { numRuns: 300 });
  });

  test('the result is that of telling the last state at once, in another order', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { world, balancer, mirror } = play(script, options, () => undefined);
        const fresh = createLoadBalancer(options);
        tell(world, fresh);
        const other = emptyMirror();
        applyChanges(fresh, other);
        expect(frontendTable(mirror)).toEqual(frontendTable(other));
        expect(balancer.problems()).toEqual(fresh.problems());
      }),
      { numRuns: 300 },
    );
  });

  test('with maps that are too small everything that is there is whole', () => {
    fc.assert(
      fc.property(steps, (script) => {
        play(script, { ...options, limits: tight }, (_before, after) => {
          const services = [...after.services.values()].filter(({ id }) => id < WILDCARD_IDS);
          expect(services.length).toBeLessThanOrEqual(tight.services);
          expect(after.services.size).toBeLessThanOrEqual(tight.frontends);
          expect(after.backends.size).toBeLessThanOrEqual(tight.backends);
          expect(services.reduce((sum, { sourceRanges }) => sum + sourceRanges.length, 0)).toBeLessThanOrEqual(tight.sourceRanges);
          expect([...after.pools.values()].reduce((sum, { run }) => sum + run.length, 0)).toBeLessThanOrEqual(tight.runs);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('what the small maps refused comes in when the rest goes and it fits', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { world, balancer, mirror } = play(script, { ...options, limits: tight }, () => undefined);
        for (const key of world.redirects.keys()) balancer.removeRedirect(key);
        for (const key of world.pods.keys()) balancer.removePod(key);
        const [kept, ...gone] = world.services.keys();
        for (const key of gone) balancer.removeService(key);
        const fresh = createLoadBalancer({ ...options, limits: tight });
        const rest = { ...world, services: new Map([...world.services].filter(([key]) => key === kept)), pods: new Map(), redirects: new Map() };
        tell(rest, fresh);
        applyChanges(balancer, mirror);
        const other = emptyMirror();
        applyChanges(fresh, other);
        // Where not everything fits, what does depends on who came first.
        if (fresh.problems().some(({ code }) => code.endsWith('-full'))) return;
        expect(balancer.problems()).toEqual(fresh.problems());
        expect(frontendTable(mirror)).toEqual(frontendTable(other));
      }),
      { numRuns: 300 },
    );
  });

  test('a restart gives everything the ids that it had', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { world, mirror } = play(script, options, () => undefined);
        const fresh = createLoadBalancer(options);
        fresh.restore({ services: [...mirror.services.values()].filter(({ id }) => id < WILDCARD_IDS), backends: [...mirror.backends.values()] });
        tell(world, fresh);
        const other = emptyMirror();
        applyChanges(fresh, other);
        expect(identities(other)).toEqual(identities(mirror));
        fresh.releaseUnclaimed();
        applyChanges(fresh, other);
        checkInvariants(other, fresh);
      }),
      { numRuns: 300 },
    );
  });

  test('select leads to the place of the run that it names, and to a backend that takes connections', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 65535 }), fc.constantFrom<'inside' | 'outside'>('inside', 'outside'), (script, clientPort, from) => {
        const { balancer, mirror } = play(script, options, () => undefined);
        for (const record of mirror.services.values()) {
          const protocol = protocolOfNumber(record.protocol);
          if (protocol === undefined) continue;
          const flow = { client: { cookie: BigInt(clientPort) }, clientPort, address: record.address, port: record.port, protocol, from };
          const selection = balancer.select(flow);
          if (selection.verdict !== 'backend') continue;
          const { service, backend, position } = selection;
          expect(mirror.pools.get(service.pool)!.run[position]).toBe(backend.index);
          expect(['active', 'terminating']).toContain(backend.state);
          expect(balancer.explain(flow).considered.find(({ address, port }) => address.text === backend.address.text && port === backend.port)?.eligible).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
