import type { CompiledPolicyShape } from '../state/desired.ts';
import type { Run } from './run.ts';
import type { WriterState } from './state.ts';
import { isPolicyFailure, type PolicyFailure } from './version-store.ts';
import { difference, revive, type PolicyVersion } from './version.ts';

/**
 * A version with this policy for endpoints of this identity: one in force, one written in this pass, or a new one.
 * A full map is given a second chance after everything unused has been deleted.
 */
export async function obtainVersion(run: Run, wanted: { identity: number; policy: CompiledPolicyShape }): Promise<PolicyVersion | PolicyFailure> {
  const { state, made } = run;
  const { identity, policy } = wanted;
  const text = `${identity} ${policy.key}`;
  const known = made.get(text);
  if (known !== undefined) return known;
  const inForce = state.versions.ofIdentity(identity).find((version) => difference(version, policy, run.carriers).kind === 'same');
  if (inForce !== undefined) {
    revive(inForce, policy);
    return inForce;
  }
  await state.policyGate.opened();
  run.changed = true;
  let result = state.versions.create(identity, policy);
  if (isPolicyFailure(result) && result.failed !== 'row-too-large' && hasGarbage(state)) {
    await makeRoom(state);
    result = state.versions.create(identity, policy);
  }
  made.set(text, result);
  return result;
}

/** Versions of this pass that no slot has come to use in the end are up for deletion. */
export function abandonUnused({ state, made }: Run): void {
  for (const version of made.values()) if (!isPolicyFailure(version)) state.versions.abandon(version);
}

/** Is there anything that could be deleted to make room? */
export function hasGarbage(state: WriterState): boolean {
  return [...state.versions.all()].some((version) => version.unusedSince !== undefined || version.stale.size > 0);
}

/** Waits for a grace period and deletes everything unused. */
export async function makeRoom(state: WriterState): Promise<void> {
  await state.grace.wait(state.grace.mark());
  reclaimAll(state);
  await state.policyGate.opened();
}

/** Deletes and frees what a grace period has passed for. */
export function reclaimAll(state: WriterState): void {
  state.versions.reclaim();
  state.rows.reclaim();
  state.book.reclaim();
}
