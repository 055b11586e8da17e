import fc from 'fast-check';
import type { DesiredState, PolicyRowShape } from '../../src/state/desired.ts';
import { endpoint, policy, row, world } from './world.ts';

const ROWS: readonly PolicyRowShape[] = [row(), row(80), row(443), row(80, 443), row('all')];
/** Prefixes and addresses of the outside world; the identity of each follows from it, as for CIDR identities. */
const OUTSIDE = ['10.8.0.0/16', '10.8.8.0/24', '10.8.8.8', '0.0.0.0/0', '10.9.9.9'] as const;
const CIDR_IDENTITIES: Readonly<Record<string, number>> = Object.fromEntries(OUTSIDE.map((text, index) => [text, 16_777_217 + index]));
/** Addresses that packets are sent to besides the endpoints'. */
export const TARGETS = ['10.8.8.8', '10.8.8.9', '10.8.1.1', '10.9.9.9', '1.1.1.1'] as const;
const ENDPOINT_IDENTITIES = [300, 301, 302] as const;

interface Choice {
  readonly slots: readonly (number | undefined)[];
  readonly outside: readonly boolean[];
  readonly rows: readonly number[];
}

const choice: fc.Arbitrary<Choice> = fc.record({
  slots: fc.array(fc.option(fc.nat(2), { nil: undefined, freq: 4 }), { minLength: 4, maxLength: 4 }),
  outside: fc.array(fc.boolean(), { minLength: OUTSIDE.length, maxLength: OUTSIDE.length }),
  rows: fc.array(fc.nat(ROWS.length - 1), { minLength: 60, maxLength: 60 }),
});

/** A state as an agent would ask for it: policies name exactly the identities that something carries. */
function build({ slots, outside, rows }: Choice, pick: (identity: number) => number = () => 0): DesiredState {
  const prefixes = OUTSIDE.filter((_, index) => outside[index]);
  const carried = [...new Set(slots.flatMap((each) => (each === undefined ? [] : [ENDPOINT_IDENTITIES[each] ?? 300]))), ...prefixes.map((text) => CIDR_IDENTITIES[text] ?? 0), 9];
  const policyOf = (identity: number) => {
    let next = pick(identity) + identity * 7;
    const rowAt = (): PolicyRowShape => ROWS[rows[next++ % rows.length] ?? 0] ?? row();
    const [ingressAny, egressAny] = [rowAt(), rowAt()];
    return policy({
      ingressAny, egressAny,
      ingress: Object.fromEntries(carried.map((peer) => [peer, rowAt()])),
      egress: Object.fromEntries(carried.map((peer) => [peer, rowAt()])),
    });
  };
  const endpoints = slots.flatMap((each, index) => (each === undefined ? [] : [endpoint(index + 1, ENDPOINT_IDENTITIES[each] ?? 300, policyOf(ENDPOINT_IDENTITIES[each] ?? 300))]));
  return world(endpoints, Object.fromEntries(prefixes.map((text) => [text, CIDR_IDENTITIES[text] ?? 0])));
}

/** A few states, one after the other. */
export const states: fc.Arbitrary<DesiredState[]> = fc.array(choice, { minLength: 2, maxLength: 6 }).map((choices) => choices.map((each) => build(each)));

/** States between which only policies and outside prefixes differ: what every packet is told must be old or new. */
export const policyChanges: fc.Arbitrary<DesiredState[]> = fc
  .tuple(choice, fc.array(choice, { minLength: 2, maxLength: 6 }))
  .map(([first, others]) => others.map((each) => build({ ...each, slots: first.slots })));
