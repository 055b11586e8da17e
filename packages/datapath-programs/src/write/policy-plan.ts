import { CELL_FLAG } from '@cilium-ts/datapath-layout';
import type { CompiledPolicyShape, DesiredEndpoint, PolicyRowShape } from '../state/desired.ts';
import { flagsOf, type Run, type SlotPlan } from './run.ts';
import type { ActiveSlot } from './state.ts';
import { difference, EGRESS, INGRESS, peerDirection, type Difference, type PeerKey, type PolicyVersion } from './version.ts';

/** A version that stays, and what it gains and loses. */
export interface VersionPlan {
  readonly version: PolicyVersion;
  readonly policy: CompiledPolicyShape;
  readonly add: ReadonlyMap<PeerKey, PolicyRowShape>;
  readonly superfluous: readonly PeerKey[];
}

/** Which slots need the epoch to move, and which versions merely grow. */
export interface PolicyPlan {
  readonly switching: readonly { readonly active: ActiveSlot; readonly desired: DesiredEndpoint }[];
  readonly versions: readonly VersionPlan[];
}

/** Flags whose change matters to live flows. */
const DECISIVE = CELL_FLAG.LOCKED_DOWN | CELL_FLAG.AUDIT;

/** Compares the policies in force with the desired ones, for the slots that stay. */
export function planPolicies(run: Run, { keep }: SlotPlan): PolicyPlan {
  const verdicts = new Map<PolicyVersion, { policy: CompiledPolicyShape; result: Difference }>();
  const switching: { active: ActiveSlot; desired: DesiredEndpoint }[] = [];
  for (const { active, desired } of keep) {
    if (needsSwitch(run, active, desired, verdicts)) switching.push({ active, desired });
  }
  const leaving = new Set(switching.map(({ active }) => active.version));
  const versions: VersionPlan[] = [];
  for (const [version, { policy, result }] of verdicts) {
    if (result.kind === 'switch') continue;
    // Slots that stay on a version others leave may need its additions all the same.
    if (leaving.has(version) && !keep.some(({ active, desired }) => active.version === version && !switching.some((each) => each.active === active) && desired.policy !== 'locked-down')) continue;
    const grows = result.kind === 'additive';
    versions.push({ version, policy, add: grows ? result.add : new Map(), superfluous: grows ? result.superfluous : [] });
  }
  return { switching, versions };
}

function needsSwitch(run: Run, active: ActiveSlot, desired: DesiredEndpoint, verdicts: Map<PolicyVersion, { policy: CompiledPolicyShape; result: Difference }>): boolean {
  if (active.identity !== desired.identity) return true;
  if (((active.flags ^ flagsOf(desired, false)) & DECISIVE) !== 0) return true;
  if (desired.policy === 'locked-down' || active.version === undefined) return false;
  const known = verdicts.get(active.version);
  if (known !== undefined && known.policy !== desired.policy && known.policy.key !== desired.policy.key) return true;
  const result = known?.result ?? difference(active.version, desired.policy, run.carriers);
  const decided: Difference = result.kind === 'additive' && contradictsFlags(active, result.add) ? { kind: 'switch' } : result;
  verdicts.set(active.version, { policy: desired.policy, result: decided });
  return decided.kind === 'switch';
}

/** An entry in a direction whose cell says that there are none would not be looked up. */
function contradictsFlags(active: ActiveSlot, add: ReadonlyMap<PeerKey, PolicyRowShape>): boolean {
  const directions = new Set([...add.keys()].map(peerDirection));
  return (directions.has(INGRESS) && (active.flags & CELL_FLAG.INGRESS_ANY_ONLY) !== 0) || (directions.has(EGRESS) && (active.flags & CELL_FLAG.EGRESS_ANY_ONLY) !== 0);
}
