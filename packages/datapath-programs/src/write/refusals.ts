import type { DesiredEndpoint, Slot } from '../state/desired.ts';
import type { AddressMove } from './address-plan.ts';
import { lastSwitchSettled, moveEpoch, type Decision } from './epoch.ts';
import { inheritRows } from './extend.ts';
import { rowKey } from './row-content.ts';
import { flagsOf, type Run } from './run.ts';
import type { ActiveSlot } from './state.ts';
import { judgesAsEver, misjudgedUnder, unknownIdentity, type Unpublished } from './unpublished.ts';
import { desiredRow, DIRECTIONS, effectiveRow } from './version.ts';

/** A slot whose policy is to be replaced, or to be looked at again. */
export interface Switching {
  readonly active: ActiveSlot;
  readonly desired: DesiredEndpoint;
  /** Is what it is under wanted, but for addresses that found no room? */
  readonly stays?: boolean;
}

/** Which of some slots, but for others, would go on under a policy that tells an address apart which found no room. */
export function misjudging(run: Run, some: readonly Switching[], others: ReadonlySet<Slot | undefined>): Switching[] {
  if (run.unpublished.length === 0) return [];
  return some
    .filter(({ active, desired }) => !others.has(active.slot) && active.version !== undefined && misjudgedUnder(run, desired.policy) !== undefined)
    .map(({ active, desired }) => ({ active, desired, stays: true }));
}

/**
 * A policy must not come into force, or stay there, that tells an address apart which found no room. The slot keeps the
 * policy before, if there is one; else it is locked down.
 */
export function refusePolicy(run: Run, { active, desired, stays = false }: Switching, { reason, message }: Unpublished): Decision | undefined {
  const { slot, version, identity } = active;
  const keeps = version !== undefined && (!stays || run.ungrown.has(version));
  run.failures.push({ slot, reason, effect: keeps ? 'kept-old-policy' : 'locked-down', message });
  return keeps || version === undefined ? undefined : { identity, version: undefined, flags: flagsOf(desired, true) };
}

/**
 * A slot that keeps its old policy knows nothing of identities that appear with this change. Where it should treat
 * one of them otherwise than its old policy treats any identity, nothing may begin to carry that one.
 */
export function refuseUnknownIdentities(run: Run, decisions: Map<ActiveSlot, Decision>, kept: readonly Switching[]): void {
  const newcomers = new Set([...run.next.endpoints.values()].map(({ identity }) => identity).filter((identity) => !run.carriers.now(identity)));
  for (const identity of newcomers) {
    if (kept.some((plan) => misjudges(plan, identity))) run.unpublishable.add(identity);
  }
  for (const [active, { identity }] of decisions) {
    if (!run.unpublishable.has(identity) || identity === active.identity) continue;
    decisions.delete(active);
    const effect = active.version === undefined ? 'locked-down' : 'kept-old-policy';
    run.failures.push({ slot: active.slot, reason: 'policy-map-full', effect, message: unknownIdentity(identity) });
  }
}

function misjudges({ active, desired }: Switching, identity: number): boolean {
  const { version } = active;
  const { policy } = desired;
  if (version === undefined || policy === 'locked-down') return false;
  return DIRECTIONS.some((direction) => effectiveRow(version, direction, identity).key !== rowKey(desiredRow(policy, direction, identity)));
}

/**
 * A slot that keeps its policy is locked down if that cannot be told of the identities that come, or would judge an
 * address that found no room otherwise than ever: it might be open to them.
 */
export async function lockUntold(run: Run, kept: readonly Switching[], { decisions, moves }: { decisions: Map<ActiveSlot, Decision>; moves: readonly AddressMove[] }): Promise<void> {
  const untold = await inheritRows(run, new Set(kept.flatMap(({ active }) => active.version ?? [])), moves);
  for (const { active, desired } of kept) {
    if (active.version === undefined || (!untold.has(active.version) && judgesAsEver(run, active.version))) continue;
    decisions.set(active, { identity: active.identity, version: undefined, flags: flagsOf(desired, true) });
    const told = run.failures.findIndex(({ slot }) => slot === active.slot);
    const failure = run.failures[told];
    if (failure !== undefined) run.failures[told] = { ...failure, effect: 'locked-down' };
  }
}

/** After the switch: deals with policies that tell an address apart which the kernel refused, though there was room for it. */
export async function lockMisjudging(run: Run): Promise<void> {
  const { state, next } = run;
  if (run.unpublished.length === 0) return;
  const slots = [...state.slots.values()].flatMap((active) => {
    const desired = next.endpoints.get(active.slot);
    return desired === undefined ? [] : [{ active, desired }];
  });
  const decisions = new Map<ActiveSlot, Decision>();
  for (const plan of misjudging(run, slots, new Set(run.failures.map(({ slot }) => slot)))) {
    const misjudged = misjudgedUnder(run, plan.desired.policy);
    const decision = misjudged === undefined ? undefined : refusePolicy(run, plan, misjudged);
    if (decision !== undefined) decisions.set(plan.active, decision);
  }
  if (decisions.size === 0) return;
  await lastSwitchSettled(state);
  moveEpoch(run, decisions);
}
