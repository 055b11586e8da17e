import type { AddressMove } from './address-plan.ts';
import { makeRoom } from './obtain.ts';
import type { VersionPlan } from './policy-plan.ts';
import type { Run } from './run.ts';
import type { StoredRow } from './row-store.ts';
import { DIRECTIONS, effectiveRow, peerIdentity, peerDirection, peerKey, revive, type PeerKey, type PolicyVersion } from './version.ts';

/** Tells versions that stay in force about identities that nothing carries yet. */
export async function extendVersions(run: Run, plans: readonly VersionPlan[]): Promise<void> {
  for (const { version, policy, add } of plans) {
    revive(version, policy);
    if (add.size === 0) {
      version.source = policy;
      continue;
    }
    await run.state.policyGate.opened();
    const failure = run.state.versions.extend(version, add);
    run.changed = true;
    if (failure === undefined) {
      version.source = policy;
      continue;
    }
    run.ungrown.add(version);
    for (const key of add.keys()) run.unpublishable.add(peerIdentity(key));
    run.state.logger.warn({ version: version.number, reason: failure.failed }, failure.message);
  }
}

/**
 * A policy that was to be replaced and is kept, for want of room, knows nothing of identities that addresses come to
 * have with the next epoch: it gets, for these, the rows of what the addresses were. Returns the policies that could not be told.
 */
export async function inheritRows(run: Run, kept: ReadonlySet<PolicyVersion>, moves: readonly AddressMove[]): Promise<ReadonlySet<PolicyVersion>> {
  const { state, carriers } = run;
  const untold = new Set<PolicyVersion>();
  const newcomers = moves.filter(({ after }) => !carriers.now(after));
  if ([...kept].some((version) => newcomers.some((move) => hasLeftover(version, move)))) await makeRoom(state);
  for (const version of kept) {
    const rows = new Map<PeerKey, StoredRow>();
    if (!newcomers.every((move) => collect(version, move, rows))) untold.add(version);
    // What is judged like all identities without an entry needs none.
    const add = new Map([...rows].filter(([key, row]) => !version.entries.has(key) && row !== version.any[peerDirection(key)]));
    if (untold.has(version) || add.size === 0) continue;
    await state.policyGate.opened();
    run.changed = true;
    version.source = undefined;
    if (state.versions.extend(version, add) !== undefined) untold.add(version);
  }
  return untold;
}

/** Whether an entry from when something carried the identity last, to be deleted anyhow, says something else. */
function hasLeftover(version: PolicyVersion, { before, after }: AddressMove): boolean {
  return DIRECTIONS.some((direction) => {
    const key = peerKey(direction, after);
    return version.stale.has(key) && version.entries.get(key) !== effectiveRow(version, direction, before);
  });
}

/** Adds what a version must know of one address; false when two would need different rows. */
function collect(version: PolicyVersion, { before, after }: AddressMove, rows: Map<PeerKey, StoredRow>): boolean {
  for (const direction of DIRECTIONS) {
    const key = peerKey(direction, after);
    const row = effectiveRow(version, direction, before);
    const planned = rows.get(key) ?? version.entries.get(key);
    if (planned !== undefined && planned !== row) return false;
    // Left over from when something carried the identity last: it must not be deleted now.
    version.stale.delete(key);
    rows.set(key, row);
  }
  return true;
}
