import type { Cidr } from '@cilium-ts/core';
import type { ApplyReport, DesiredState, Slot } from '../state/desired.ts';
import { normalise } from '../state/normalise.ts';
import { coversSome, movesOf, planAddresses, type AddressChange, type AddressPlan } from './address-plan.ts';
import { isExact } from './address-book.ts';
import { slotCount } from './cells.ts';
import { lastSwitchSettled } from './epoch.ts';
import { extendVersions } from './extend.ts';
import { abandonUnused } from './obtain.ts';
import { planPolicies, type PolicyPlan } from './policy-plan.ts';
import { lockMisjudging, misjudging } from './refusals.ts';
import { createRun, planSlots, type Run, type SlotPlan } from './run.ts';
import { activateSlot, connectSlot, retireSlot } from './slots.ts';
import type { WriterState } from './state.ts';
import { switchPolicies } from './switch.ts';
import { refuse, refuseUnfit, unknownIdentity } from './unpublished.ts';

/**
 * One pass from what is in the kernel to what should be. The order of the stages is what keeps every packet under
 * either the old or the new state:
 *
 * 1. endpoints that go are taken out of service (one store each: nothing is open meanwhile);
 * 2. policies that stay learn of identities that nothing carries yet;
 * 3. addresses take on their new identities: with the next epoch if there will be one, else at once;
 * 4. the epoch moves: new policies and new identities of addresses together;
 * 5. new endpoints come into service;
 * 6. addresses that go are taken out, when nobody reads the old policies any more.
 */
export async function applyOnce(state: WriterState, desired: DesiredState): Promise<ApplyReport> {
  const run = createRun(state, normalise(desired, slotCount(state.store.cells), state.world));
  const slots = planSlots(run);
  const addresses = planAddresses(run);
  const policies = planPolicies(run, slots);

  for (const active of slots.remove) await retireSlot(run, active);
  const retiredAt = slots.remove.length > 0 ? state.grace.mark() : undefined;
  // Who is still under the policies that the last switch replaced must not meet addresses that these never knew.
  if (slots.add.length + addresses.changes.length + addresses.removals.length > 0) await lastSwitchSettled(state);
  await extendVersions(run, policies.versions);
  const fitting = refuseUnfit(run, addresses);
  const switching = [...policies.switching, ...misjudging(run, slots.keep, new Set(policies.switching.map(({ active }) => active.slot)))];
  const deferred = await changeAddresses(run, switching.length > 0, fitting);
  await switchPolicies(run, switching, movesOf(fitting));
  // A packet of an endpoint that is gone must not meet one that was never there beside it.
  if (retiredAt !== undefined && slots.add.length > 0) await state.grace.wait(retiredAt);
  await bringUp(run, slots);
  await finishAddresses(run, fitting, deferred);
  await lockMisjudging(run);
  markStale(run, policies);
  abandonUnused(run);
  return report(run);
}

/** Stage 3. Returns what must wait until after the switch: addresses that still lead to an endpoint that has gone. */
async function changeAddresses(run: Run, switching: boolean, { changes, removals }: AddressPlan): Promise<readonly AddressChange[]> {
  if (!switching) {
    await publishAll(run, changes);
    return [];
  }
  const { book } = run.state;
  const deferred = changes.filter(({ cidr }) => book.entries.get(cidr.text)?.target.kind === 'slot');
  for (const change of changes) if (!deferred.includes(change)) await publish(run, change, change.before);
  for (const { cidr, after } of removals) book.foretellRemoval(cidr, after);
  book.flush();
  return deferred;
}

/**
 * Publishes addresses, then prefixes. A packet that has just missed an address in the hash goes on to the prefixes,
 * and must not find a new one there that is not meant for the address.
 */
async function publishAll(run: Run, changes: readonly AddressChange[]): Promise<void> {
  const addresses = changes.filter(({ cidr }) => isExact(cidr));
  const prefixes = changes.filter(({ cidr }) => !isExact(cidr));
  for (const change of addresses) await publish(run, change);
  run.state.book.flush();
  const cidrs = (list: readonly AddressChange[]): Cidr[] => list.map(({ cidr }) => cidr);
  if (coversSome(cidrs(prefixes), cidrs(addresses))) await run.state.grace.wait(run.publishedAt);
  for (const change of prefixes) await publish(run, change);
  run.state.book.flush();
}

/** `meanwhile`: with the next epoch, and as this identity until then. */
async function publish(run: Run, change: AddressChange, meanwhile?: number): Promise<void> {
  const { state } = run;
  const { cidr, what } = change;
  await state.book.gate.opened();
  run.changed = true;
  const failure = run.unpublishable.has(what.identity) ? ({ failed: 'policy-map-full', message: unknownIdentity(what.identity) } as const) : state.book.publishRemote(cidr, what, meanwhile);
  if (isExact(cidr)) run.publishedAt = state.grace.mark();
  if (failure !== undefined) refuse(run, [[change, failure]]);
}

/** Stage 5. After a switch, new endpoints wait until nobody judges them by policies that do not know them. */
async function bringUp(run: Run, { add }: SlotPlan): Promise<void> {
  const { state, next } = run;
  if (run.switched && add.length > 0) await lastSwitchSettled(state);
  for (const { slot, desired } of add) await activateSlot(run, slot, desired);
  for (const [slot, desired] of next.endpoints) {
    const active = state.slots.get(slot);
    if (active !== undefined) await connectSlot(run, active, desired);
  }
}

/** Stage 6. */
async function finishAddresses(run: Run, { removals }: AddressPlan, deferred: readonly AddressChange[]): Promise<void> {
  const { state } = run;
  const leaving = removals.filter(({ cidr }) => state.book.entries.has(cidr.text));
  if (leaving.length === 0 && deferred.length === 0) return;
  if (run.switched) await lastSwitchSettled(state);
  // A packet that missed a new address in the hash must still find the prefix that it looks for next.
  if (leaving.some(({ cidr }) => !isExact(cidr))) await state.grace.wait(run.publishedAt);
  await publishAll(run, deferred);
  for (const { cidr } of leaving) state.book.unpublish(cidr);
  state.book.flush();
  run.changed = true;
}

/** Entries for identities that nothing carries any more are to be deleted once nobody can still look them up. */
function markStale(run: Run, { versions }: PolicyPlan): void {
  const mark = run.state.grace.mark();
  for (const { version, superfluous } of versions) for (const key of superfluous) version.stale.set(key, mark);
}

function report({ state, failures, switched, changed }: Run): ApplyReport {
  const revisions = new Map<Slot, number>([...state.slots.values()].map(({ slot, revision }) => [slot, revision]));
  return { switched, changed, epoch: state.epoch, failures, revisions };
}
