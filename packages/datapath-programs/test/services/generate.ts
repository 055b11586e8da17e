import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import fc from 'fast-check';
import type { Probe } from './reader.ts';
import type { Front, PoolSpec, Spec } from './world.ts';

/** Choices of one service in one state. */
interface Choice {
  readonly present: boolean;
  /** Weights of its four endpoints; undefined: there is no such endpoint. */
  readonly weights: readonly (number | undefined)[];
  readonly inner: readonly (number | undefined)[];
  readonly twoScopes: boolean;
  readonly affinity: boolean;
  readonly ranges: number;
  readonly deny: boolean;
  readonly dsr: boolean;
  readonly contested: boolean;
  readonly wildcard: boolean;
}

const RANGES = [undefined, ['10.1.0.0/16'], ['10.1.0.0/16', '10.2.0.0/16'], ['10.2.0.0/16'], ['0.0.0.0/0']] as const;
const weights = fc.array(fc.option(fc.nat(3), { nil: undefined, freq: 3 }), { minLength: 4, maxLength: 4 });
const choice: fc.Arbitrary<Choice> = fc.record({
  present: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
  weights, inner: weights,
  twoScopes: fc.boolean(),
  affinity: fc.boolean(),
  ranges: fc.oneof(fc.constant(0), fc.nat(RANGES.length - 1)),
  deny: fc.boolean(),
  dsr: fc.boolean(),
  contested: fc.boolean(),
  wildcard: fc.boolean(),
});
const SERVICES = 4;
/** A VIP that several services want: the first that does has it. */
const CONTESTED = '10.96.0.99:443';

/** Endpoints are a service's own, so that an address tells whose it is. */
function poolOf(service: number, given: Choice['weights'], scope: number): PoolSpec {
  return Object.fromEntries(given.flatMap((weight, n) => (weight === undefined ? [] : [[service === 3 ? `[fd00::${service}:${scope}:${n}]:8080` : `10.${service}.${scope}.${n}:8080`, weight]])));
}

function frontsOf(service: number, each: Choice): Front[] {
  const flags = (each.affinity ? SERVICE_FLAG.AFFINITY : 0) | (each.deny ? SERVICE_FLAG.SOURCE_DENY : 0) | (each.dsr ? SERVICE_FLAG.DSR : 0);
  const ranges = service === 0 ? RANGES[each.ranges] : undefined;
  const pool = `p${service}`;
  const common = { flags, timeout: each.affinity ? 30 : 0, pool, ...(ranges !== undefined && { ranges }) };
  const vip = service === 3 ? '[fd00:96::3]' : `10.96.0.${service}`;
  const fronts: Front[] = [{ ...common, at: `${vip}:80` }];
  if (each.twoScopes && service === 1) fronts.splice(0, 1, { ...common, flags: flags | SERVICE_FLAG.TWO_SCOPES, at: `${vip}:80` }, { at: `${vip}:80`, scope: 'internal', pool: 'q1' });
  if (service >= 2) fronts.push({ ...common, at: service === 3 ? '[::]:30080' : '0.0.0.0:30080' });
  if (each.wildcard && service < 3) fronts.push({ at: `${vip}:0/0` });
  return fronts;
}

/** A state as a model would ask for it. */
function build(choices: readonly Choice[]): Spec {
  const fronts: Front[] = [];
  const pools: Record<string, PoolSpec> = {};
  let contested = false;
  for (const [service, each] of choices.entries()) {
    if (!each.present) continue;
    fronts.push(...frontsOf(service, each));
    pools[`p${service}`] = poolOf(service, each.weights, 0);
    if (each.twoScopes && service === 1) pools['q1'] = poolOf(service, each.inner, 1);
    if (!each.contested || contested || service === 3) continue;
    contested = true;
    const ranges = RANGES[each.ranges];
    fronts.push({ at: CONTESTED, pool: `p${service}`, flags: each.deny ? SERVICE_FLAG.SOURCE_DENY : 0, ...(ranges !== undefined && { ranges }) });
  }
  return { fronts, pools };
}

const state = fc.array(choice, { minLength: SERVICES, maxLength: SERVICES });
const step = fc.record({ next: state, keep: fc.array(fc.boolean(), { minLength: SERVICES, maxLength: SERVICES }), onlyBackends: fc.boolean() });

/** A few states, one after the other; services that are kept, and such of which only the backends change. */
export const specs: fc.Arbitrary<Spec[]> = fc.tuple(state, fc.array(step, { minLength: 1, maxLength: 5 })).map(([first, steps]) => {
  const all = [first];
  for (const { next, keep, onlyBackends } of steps) {
    const last = all.at(-1) ?? first;
    all.push(next.map((each, service) => {
      const before = last[service] ?? each;
      if (keep[service]) return before;
      return onlyBackends ? { ...before, weights: each.weights, inner: each.inner } : each;
    }));
  }
  return all.map(build);
});

/** Connections to everything that any state has, and to some that none has. */
export const PROBES: readonly Omit<Probe, 'hash'>[] = ['10.96.0.0:80', '10.96.0.1:80', '10.96.0.2:80', '[fd00:96::3]:80', '192.0.2.1:30080', '[2001:db8::1]:30080', CONTESTED, '10.96.0.1:81', '10.99.0.1:80'].flatMap((to) =>
  (['inside', 'outside'] as const).flatMap((from) => ['10.1.0.1', '10.2.0.1'].map((client) => ({ to, from, client }))),
);

/** Deterministic numbers from a seed (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
