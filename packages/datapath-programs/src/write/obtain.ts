import type { CompiledPolicyShape, PolicyRowShape } from '../state/desired.ts';
import { rowKey } from './row-content.ts';
import type { Run } from './run.ts';
import type { WriterState } from './state.ts';
import { isPolicyFailure, type PolicyFailure } from './version-store.ts';
import { desiredRow, difference, DIRECTIONS, directionOf, effectiveRow, peerDirection, peerIdentity, peerKey, type PeerKey, type PolicyVersion } from './version.ts';

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
  const vanishing = fallbackRows(run, policy);
  const inForce = state.versions.ofIdentity(identity).find((version) => difference(version, policy, run.carriers).kind === 'same' && holds(version, vanishing));
  if (inForce !== undefined) return inForce;
  // The row for any identity need not be repeated.
  const extra = new Map([...vanishing].filter(([key, row]) => rowKey(row) !== rowKey(directionOf(policy, peerDirection(key)).any)));
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
  const rows = new Map<PeerKey, PolicyRowShape>();
  for (const { before, after } of removals) {
    if (before === undefined || carriers.next(before)) continue;
    for (const direction of DIRECTIONS) {
      const key = peerKey(direction, before);
      if (!rows.has(key)) rows.set(key, desiredRow(policy, direction, after));
    }
  }
  return rows;
}

/** Whether a version in force judges some peers by these rows. One that is in force may still judge them by what they were. */
function holds(version: PolicyVersion, rows: ReadonlyMap<PeerKey, PolicyRowShape>): boolean {
  return [...rows].every(([key, row]) => effectiveRow(version, peerDirection(key), peerIdentity(key)).key === rowKey(row));
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
