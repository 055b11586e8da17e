import { storeEpoch } from './buckets.ts';
import { otherParity, parityOf, writeHalf } from './cells.ts';
import { reclaimAll } from './obtain.ts';
import type { Run } from './run.ts';
import { halfOf, type ActiveSlot, type WriterState } from './state.ts';
import type { PolicyVersion } from './version.ts';

/** What a slot will have once the epoch has moved. */
export interface Decision {
  readonly identity: number;
  readonly version: PolicyVersion | undefined;
  readonly flags: number;
}

/** Resolves when nobody reads what the last switch replaced any more: all other halves can be written. */
export async function lastSwitchSettled({ grace, switchedAt, remotes }: WriterState): Promise<void> {
  await grace.wait(switchedAt);
  remotes.settle();
}

/** Writes every slot's other half, moves the epoch, and lets go of what was in force. No wait in between. */
export function moveEpoch(run: Run, decisions: ReadonlyMap<ActiveSlot, Decision>): void {
  const { state } = run;
  const parity = otherParity(parityOf(state.epoch));
  const released: PolicyVersion[] = [];
  // A packet under the old epoch may remember what an address was, together with the counter of a later change.
  const renew = state.remotes.prepared;
  for (const active of state.slots.values()) {
    const decision = decisions.get(active);
    if (decision !== undefined) {
      if (active.version !== undefined) released.push(active.version);
      if (decision.version !== undefined) state.versions.use(decision.version);
      Object.assign(active, decision);
    }
    if (decision !== undefined || renew) active.revision = (active.revision + 1) >>> 0;
    writeHalf(state.store.cells, active.slot, parity, halfOf(active));
  }
  state.epoch += 1n;
  storeEpoch(state.store.node, state.epoch);
  state.remotes.committed();
  run.switched = true;
  run.changed = true;
  for (const version of released) state.versions.release(version);
  finishSwitch(state);
}

/** What earlier switches left behind is deleted in the same grace period that this one needs. */
function finishSwitch(state: WriterState): void {
  reclaimAll(state);
  state.switchedAt = state.grace.mark();
  state.grace.start(state.switchedAt);
}
