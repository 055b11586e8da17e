import type { CompiledPolicyShape, PolicyRowShape } from '../state/desired.ts';
import { rowKey } from './row-content.ts';
import type { Run } from './run.ts';
import type { WriterState } from './state.ts';
import { isPolicyFailure, type PolicyFailure } from './version-store.ts';
import { desiredRow, difference, DIRECTIONS, directionOf, peerKey, type PeerKey, type PolicyVersion } from './version.ts';

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
  if (inForce !== undefined) return inForce;
  const extra = fallbackRows(run, policy);
  await state.policyGate.opened();
  run.changed = true;
  let result = state.versions.create(identity, policy, extra);
  if (isPolicyFailure(result) && result.failed !== 'row-too-large' && hasGarbage(state)) {
    await makeRoom(state);
    result = state.versions.create(identity, policy, extra);
  }
  made.set(text, result);
  return result;
}

/**
 * An identity that is about to vanish is unknown to the new policy, but packets carry it until its addresses are
 * taken out, which happens after the switch: it gets the rows of what its addresses will be.
 */
function fallbackRows({ carriers, removals }: Run, policy: CompiledPolicyShape): Map<PeerKey, PolicyRowShape> {
  const extra = new Map<PeerKey, PolicyRowShape>();
  for (const { before, after } of removals) {
    if (before === undefined || carriers.next(before)) continue;
    for (const direction of DIRECTIONS) {
      const key = peerKey(direction, before);
      const row = desiredRow(policy, direction, after);
      if (!extra.has(key) && rowKey(row) !== rowKey(directionOf(policy, direction).any)) extra.set(key, row);
    }
  }
  return extra;
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
