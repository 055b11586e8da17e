import type { Pass } from './plan.ts';
import { switchPools } from './pool-runs.ts';
import { movePools, openTwoScopes, publishAll, removeAll, updateAll } from './publish.ts';
import { isWildcard, type BackendRecord, type ServiceApplyReport, type ServiceRecord } from './records.ts';
import { isDsr } from './state.ts';

/** After one grace period every id and index that was given up is free: more rounds mean a defect. */
const MAX_ROUNDS = 4;

/**
 * Carries a plan out: new backends; new frontends; what services lead to; changed fields; gone frontends; gone backends.
 * What needs an id, an index or room that only becomes free by that comes after a grace period.
 */
export async function applyPass(pass: Pass): Promise<ServiceApplyReport> {
  const { state, desired } = pass;
  // Until the end is reached, nobody knows what still differs.
  state.compareAll = true;
  state.triedAt = state.room;
  for (const id of [...state.failures.keys()]) if (!desired.records.services.has(id)) state.failures.delete(id);
  state.vips.setNodeAddresses(desired.nodeAddresses);
  for (const record of pass.describing) if (state.backends.describe(record)) pass.changed = true;
  const formerPools = dsrPools([...pass.updating, ...[...pass.removing].map((active) => ({ active }))].map(({ active }) => active.record));
  addBackends(pass, pass.addingBackends);
  const wanted = [...pass.adding, ...pass.lateServices, ...pass.updating.map(({ record }) => record)];
  if (state.members.addPools(dsrPools(wanted), state.backends.live.values())) pass.changed = true;
  movePools(pass);
  await publishAll(pass, pass.adding);
  // Clients of the inside go to their own frontends before the others' backends may vanish.
  if (openTwoScopes(pass)) await state.grace.wait(state.grace.mark());
  await switchPools(pass, pass.touched);
  await removeAll(pass, await updateAll(pass));
  endBackends(pass);
  await finishLate(pass);
  state.members.removePools(new Set([...formerPools].filter((pool) => ![...(state.pools.get(pool) ?? [])].some(({ record }) => isDsr(record)))), state.backends.live.values());
  state.vips.sweep();
  state.compareAll = false;
  const guarded = [...pass.guarded].flatMap((id) => state.byId.get(id)?.record ?? []);
  return { changed: pass.changed, failures: [...state.failures.values()], ended: pass.ended, guarded };
}

function dsrPools(records: readonly ServiceRecord[]): Set<number> {
  return new Set(records.filter((record) => isDsr(record) && !isWildcard(record)).map(({ pool }) => pool));
}

async function finishLate(pass: Pass): Promise<void> {
  const { state } = pass;
  for (let round = 1; pass.lateServices.length + pass.lateBackends.length + pass.latePools.size > 0; round++) {
    if (round > MAX_ROUNDS) throw new Error(`services ${pass.lateServices.map(({ id }) => id).join(', ')} and backends ${pass.lateBackends.map(({ index }) => index).join(', ')} wait for what does not become free`);
    const { lateServices, lateBackends, latePools } = pass;
    Object.assign(pass, { final: true, lateServices: [], lateBackends: [], latePools: new Set() });
    await state.rest.settle();
    addBackends(pass, lateBackends);
    await switchPools(pass, new Set([...latePools, ...lateBackends.map(({ pool }) => pool)]));
    const isFree = ({ id }: { readonly id: number }): boolean => !state.restingIds.has(id) && !state.byId.has(id);
    pass.lateServices.push(...lateServices.filter((record) => !isFree(record)));
    await publishAll(pass, lateServices.filter(isFree));
  }
  await removeAll(pass, false);
}

/** Brings backends to life whose index is free; others are late. */
function addBackends(pass: Pass, records: readonly BackendRecord[]): void {
  for (const record of records) {
    if (record.index >= pass.state.backends.capacity) continue;
    if (!pass.state.backends.isFree(record.index)) {
      pass.lateBackends.push(record);
      continue;
    }
    pass.state.backends.add(record);
    pass.state.members.add(record);
    pass.changed = true;
  }
}

function endBackends(pass: Pass): void {
  for (const index of pass.ending) {
    const ended = pass.state.backends.end(index);
    if (ended === undefined) continue;
    pass.state.members.delete(ended.record);
    pass.ended.push(ended);
    pass.changed = true;
  }
  pass.ending.clear();
}
