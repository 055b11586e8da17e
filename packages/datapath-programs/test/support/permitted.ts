import type { DesiredState } from '../../src/state/desired.ts';
import { isLasting } from './interleave.ts';
import type { Observation } from './reader.ts';
import { oracle } from './world.ts';

const withoutEndpoints = ({ addresses }: DesiredState): DesiredState => ({ endpoints: new Map(), addresses });

/** A state with the endpoints that have gone since these states: policies grow while their packets are under way, and they with them. */
function withDeparted(state: DesiredState, passed: readonly DesiredState[]): DesiredState {
  const endpoints = new Map(state.endpoints);
  for (const [slot, each] of passed.flatMap((earlier) => [...earlier.endpoints])) {
    const twin = [...state.endpoints.values()].find(({ identity }) => identity === each.identity);
    if (twin !== undefined && !endpoints.has(slot)) endpoints.set(slot, { ...each, policy: twin.policy });
  }
  return { endpoints, addresses: state.addresses };
}

/** What a packet may be told that was under way while one of these states replaced the other, from first to last. */
export function permitted({ probe }: Observation, passed: readonly DesiredState[]): Set<boolean> {
  const whole = new Set(passed.map((state) => oracle(state, probe)));
  const first = passed[0];
  if (first !== undefined && passed.every((state) => isLasting(probe, first, state))) return whole;
  // An endpoint comes or goes: its packets are dropped meanwhile, or judged with the address already, still or not there.
  const addresses = [...passed, ...passed.map(withoutEndpoints)];
  return new Set([false, ...[...passed, ...passed.map((state) => withDeparted(state, passed))].flatMap((policies) => addresses.map((each) => oracle(policies, probe, each)))]);
}

/** An observation in words. */
export function describeProbe({ probe, allowed }: Observation): string {
  return `${probe.ifindex} -> ${probe.destination.text}:${probe.start - 6 * 65_536} ${allowed ? 'allowed' : 'denied'}`;
}

/** A state in words. */
export function describeState({ endpoints, addresses }: DesiredState): string {
  const slots = [...endpoints].map(([slot, { identity, policy }]) => `${slot}: ${identity} ${policy === 'locked-down' ? policy : policy.key}`);
  return [...slots, ...[...addresses].map(([text, { identity }]) => `${text}: ${identity}`)].join('\n');
}
