import type { AddressMove } from './address-plan.ts';
import { lastSwitchSettled, moveEpoch, type Decision } from './epoch.ts';
import { obtainVersion } from './obtain.ts';
import { lockUntold, refusePolicy, refuseUnknownIdentities, type Switching } from './refusals.ts';
import { flagsOf, type Run } from './run.ts';
import type { ActiveSlot } from './state.ts';
import { misjudgedUnder } from './unpublished.ts';
import { isPolicyFailure } from './version-store.ts';

/**
 * Puts changed policies and the addresses prepared with them in force for all slots at once: rows and entries under
 * fresh numbers, every slot's other half, the epoch. A slot whose policy does not fit keeps what it has, and its identity.
 */
export async function switchPolicies(run: Run, switching: readonly Switching[], moves: readonly AddressMove[]): Promise<void> {
  const { state } = run;
  const decisions = new Map<ActiveSlot, Decision>();
  const kept: Switching[] = [];
  for (const plan of switching) {
    const decision = await decide(run, plan);
    if (decision === undefined) kept.push(plan);
    else decisions.set(plan.active, decision);
  }
  refuseUnknownIdentities(run, decisions, kept);
  await lockUntold(run, switching.filter(({ active }) => !decisions.has(active)), { decisions, moves });
  if (decisions.size === 0 && !state.remotes.prepared) return;
  await lastSwitchSettled(state);
  moveEpoch(run, decisions);
}

async function decide(run: Run, plan: Switching): Promise<Decision | undefined> {
  const { active, desired } = plan;
  const { identity, policy } = desired;
  if (policy === 'locked-down') return { identity, version: undefined, flags: flagsOf(desired, true) };
  const effect = active.version === undefined ? 'locked-down' : 'kept-old-policy';
  const misjudged = misjudgedUnder(run, policy);
  if (misjudged !== undefined) return refusePolicy(run, plan, misjudged);
  const version = await obtainVersion(run, { identity, policy });
  if (!isPolicyFailure(version)) return { identity, version, flags: flagsOf(desired, false) };
  run.failures.push({ slot: active.slot, reason: version.failed, effect, message: version.message });
  return undefined;
}
