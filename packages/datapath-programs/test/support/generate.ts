import fc from 'fast-check';
import type { DesiredState, PolicyRowShape } from '../../src/state/desired.ts';
import { endpoint, policy, row, world } from './world.ts';

const ROWS: readonly PolicyRowShape[] = [row(), row(80), row(443), row(80, 443), row('all')];
/** Prefixes and addresses of the outside world; the identity of each follows from it, as for CIDR identities. */
const OUTSIDE = ['10.8.0.0/16', '10.8.8.0/24', '10.8.8.8', '0.0.0.0/0', '10.9.9.9'] as const;
const CIDR_IDENTITIES: Readonly<Record<string, number>> = Object.fromEntries(OUTSIDE.map((text, index) => [text, 16_777_217 + index]));
/** The identity that single addresses share at times, as those of a domain name do. */
const SHARED = 16_777_300;
/** Addresses that packets are sent to besides the endpoints'. */
export const TARGETS = ['10.8.8.8', '10.8.8.9', '10.8.1.1', '10.9.9.9', '1.1.1.1'] as const;
const ENDPOINT_IDENTITIES = [300, 301, 302] as const;

interface Choice {
  readonly slots: readonly (number | undefined)[];
  readonly outside: readonly boolean[];
  /** Single addresses of the outside world have one identity together. */
  readonly shared: boolean;
  readonly rows: readonly number[];
}

const choiceOf = (shared: fc.Arbitrary<boolean>): fc.Arbitrary<Choice> => fc.record({
  slots: fc.array(fc.option(fc.nat(2), { nil: undefined, freq: 4 }), { minLength: 4, maxLength: 4 }),
  outside: fc.array(fc.boolean(), { minLength: OUTSIDE.length, maxLength: OUTSIDE.length }),
  shared,
  rows: fc.array(fc.nat(ROWS.length - 1), { minLength: 60, maxLength: 60 }),
});

/** One step: what is not kept is as in `next`. */
const stepOf = (choice: fc.Arbitrary<Choice>) => fc.record({ next: choice, keepSlots: fc.boolean(), keepOutside: fc.boolean(), keepRows: fc.boolean() });
type Step = ReturnType<typeof stepOf> extends fc.Arbitrary<infer T> ? T : never;

/** A state as an agent would ask for it: policies name exactly the identities that something carries. */
function build({ slots, outside, shared, rows }: Choice): DesiredState {
  const prefixes = OUTSIDE.filter((_, index) => outside[index]);
  const outsideIdentity = (text: string): number => (shared && !text.includes('/') ? SHARED : (CIDR_IDENTITIES[text] ?? 0));
  const identityAt = (choice: number): number => ENDPOINT_IDENTITIES[choice] ?? 300;
  const carried = [...new Set(slots.flatMap((each) => (each === undefined ? [] : [identityAt(each)]))), ...prefixes.map(outsideIdentity), 9];
  // The row of a pair depends on nothing else, so that a policy changes only where it is meant to.
  const rowOf = (subject: number, direction: number, peer: number): PolicyRowShape => ROWS[rows[(subject * 31 + direction * 17 + peer * 7) % rows.length] ?? 0] ?? row();
  const policyOf = (subject: number) =>
    policy({
      ingressAny: rowOf(subject, 0, 0),
      egressAny: rowOf(subject, 1, 0),
      ingress: Object.fromEntries(carried.map((peer) => [peer, rowOf(subject, 0, peer)])),
      egress: Object.fromEntries(carried.map((peer) => [peer, rowOf(subject, 1, peer)])),
    });
  const endpoints = slots.flatMap((each, index) => (each === undefined ? [] : [endpoint(index + 1, identityAt(each), policyOf(identityAt(each)))]));
  return world(endpoints, Object.fromEntries(prefixes.map((text) => [text, outsideIdentity(text)])));
}

const stepsOf = (choice: fc.Arbitrary<Choice>) => fc.tuple(choice, fc.array(stepOf(choice), { minLength: 1, maxLength: 5 }));
const steps = stepsOf(choiceOf(fc.constant(false)));

function follow(first: Choice, changes: readonly Step[], sameSlots: boolean): DesiredState[] {
  const choices = [first];
  for (const { next, keepSlots, keepOutside, keepRows } of changes) {
    const last = choices.at(-1) ?? first;
    choices.push({ slots: keepSlots || sameSlots ? last.slots : next.slots, outside: keepOutside ? last.outside : next.outside, shared: keepOutside ? last.shared : next.shared, rows: keepRows ? last.rows : next.rows });
  }
  return choices.map(build);
}

/** A few states, one after the other. */
export const states: fc.Arbitrary<DesiredState[]> = steps.map(([first, changes]) => follow(first, changes, false));

/** States between which only policies and outside prefixes differ: what every packet is told must be old or new. */
export const policyChanges: fc.Arbitrary<DesiredState[]> = steps.map(([first, changes]) => follow(first, changes, true));

/** States in which single addresses come to share an identity and part again, as those of a domain name do. */
export const sharedIdentities: fc.Arbitrary<DesiredState[]> = stepsOf(choiceOf(fc.boolean())).map(([first, changes]) => follow(first, changes, false));
