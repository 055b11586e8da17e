import type { AddressChange } from './address-plan.ts';
import { makeRoom } from './obtain.ts';
import type { VersionPlan } from './policy-plan.ts';
import type { Run } from './run.ts';
import type { StoredRow } from './row-store.ts';
import { DIRECTIONS, effectiveRow, peerIdentity, peerKey, type PeerKey, type PolicyVersion } from './version.ts';

/** Tells versions that stay in force about identities that nothing carries yet. */
export async function extendVersions(run: Run, plans: readonly VersionPlan[]): Promise<void> {
  for (const { version, policy, add } of plans) {
    for (const key of version.stale.keys()) if (wanted(policy, key)) version.stale.delete(key);
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

function wanted(policy: VersionPlan['policy'], key: PeerKey): boolean {
  return DIRECTIONS.some((direction) => key === peerKey(direction, peerIdentity(key)) && (direction === 0 ? policy.ingress : policy.egress).byIdentity.has(peerIdentity(key)));
}

/**
 * Before an address takes on an identity that nothing carried, under a policy that is about to be replaced: gives
 * that identity, in the old policy, the rows of the identity that the address had. The verdicts stay the old ones
 * until the epoch moves. False if this is not possible: then all changes must wait until after that. All of them,
 * because an address must not pass through a new prefix on its way.
 */
export async function inheritRows(run: Run, leaving: ReadonlySet<PolicyVersion>, changes: readonly AddressChange[]): Promise<boolean> {
  const { state, carriers } = run;
  let complete = true;
  const newcomers = changes.filter(({ what }) => !carriers.now(what.identity));
  if ([...leaving].some((version) => newcomers.some((change) => hasLeftover(version, change)))) await makeRoom(state);
  for (const version of leaving) {
    const add = new Map<PeerKey, StoredRow>();
    for (const change of newcomers) if (!collect(version, change, add)) complete = false;
    if (add.size === 0) continue;
    await state.policyGate.opened();
    run.changed = true;
    version.source = undefined;
    const failure = state.versions.extend(version, add);
    if (failure !== undefined) complete = false;
  }
  return complete;
}

/** Whether an entry from when something carried the identity last, to be deleted anyhow, says something else. */
function hasLeftover(version: PolicyVersion, { what, before }: AddressChange): boolean {
  return DIRECTIONS.some((direction) => {
    const key = peerKey(direction, what.identity);
    return version.stale.has(key) && version.entries.get(key) !== effectiveRow(version, direction, before);
  });
}

/** Adds what a version must know of one change; false when two addresses would need different rows. */
function collect(version: PolicyVersion, { what, before }: AddressChange, add: Map<PeerKey, StoredRow>): boolean {
  for (const direction of DIRECTIONS) {
    const key = peerKey(direction, what.identity);
    const row = effectiveRow(version, direction, before);
    const planned = add.get(key) ?? version.entries.get(key);
    if (planned !== undefined && planned !== row) return false;
    // Left over from when something carried the identity last: it must not be deleted now.
    version.stale.delete(key);
    if (planned === undefined) add.set(key, row);
  }
  return true;
}
