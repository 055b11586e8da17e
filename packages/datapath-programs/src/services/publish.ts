import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { fail, lead, obtainRun } from './pool-runs.ts';
import type { Pass, ServiceUpdate } from './plan.ts';
import { frontendText, isWildcard, type ServiceFailureReason, type ServiceRecord } from './records.ts';
import type { StoredRun } from './run-store.ts';
import { wantedRanges } from './source-ranges.ts';
import { joinPool, leavePool, register, unregister, type ActiveService } from './state.ts';

interface NoRoom {
  readonly reason: ServiceFailureReason;
  readonly message: string;
}

/** Publishes services one by one. Those of the inside come first: clients are sent there as soon as the others are seen. */
export async function publishAll(pass: Pass, records: readonly ServiceRecord[]): Promise<void> {
  for (const record of [...records].sort((a, b) => rank(a) - rank(b))) {
    pass.state.failures.delete(record.id);
    const noRoom = await publish(pass, record);
    if (noRoom === undefined) continue;
    if (!pass.final && (pass.removing.size > 0 || pass.state.rest.pending > 0)) pass.lateServices.push(record);
    else fail(pass, record, { ...noRoom, effect: 'not-published' });
  }
}

/** Leads frontends that nobody wants any more nowhere, in the reverse order. */
export async function removeAll(pass: Pass, clearedTwoScopes: boolean): Promise<void> {
  const { state } = pass;
  const leaving = [...pass.removing].filter((active) => state.byText.get(active.text) === active && !isKeptForSuccessor(pass, active));
  leaving.sort((a, b) => rank(b.record) - rank(a.record));
  // Packets that read "two scopes" before it was cleared are still to look for these.
  if (clearedTwoScopes && leaving.some(({ record }) => record.scope === 'internal')) await state.grace.wait(state.grace.mark());
  for (const active of leaving) {
    state.frontends.delete(active.record);
    state.vips.remove(active.record.address);
    pass.changed = true;
    if (!active.wildcard) lead(pass, active, undefined);
    retire(pass, active);
  }
}

/** Changes what may be changed about services in use. True if "two scopes" was cleared for any. */
export async function updateAll(pass: Pass): Promise<boolean> {
  let cleared = false;
  for (const update of pass.updating) {
    const { active, record } = update;
    if (active.wildcard) {
      renumber(pass, update);
      continue;
    }
    if ((active.record.flags & ~record.flags & SERVICE_FLAG.TWO_SCOPES) !== 0) cleared = true;
    await updateService(pass, update);
  }
  return cleared;
}

/** Lets clients of the inside see the frontends of their own. True if packets may be under way that were not told. */
export function openTwoScopes(pass: Pass): boolean {
  let any = false;
  for (const { active, record } of pass.updating) {
    const flags = active.record.flags | (record.flags & SERVICE_FLAG.TWO_SCOPES);
    if (active.wildcard || flags === active.record.flags) continue;
    active.record = { ...active.record, flags };
    pass.state.services.setFlags(active.record);
    pass.changed = true;
    if (pass.touched.has(record.pool)) any = true;
  }
  return any;
}

/** Has services follow the pools of their new records, before the runs are switched. */
export function movePools(pass: Pass): void {
  for (const { active, record } of pass.updating) {
    if (active.wildcard || active.record.pool === record.pool) continue;
    leavePool(pass.state, active);
    active.record = { ...active.record, pool: record.pool };
    joinPool(pass.state, active);
    if (record.pool === 0) lead(pass, active, undefined);
  }
}

function renumber({ state: { byId } }: Pass, { active, record }: ServiceUpdate): void {
  if (byId.get(active.record.id) === active) byId.delete(active.record.id);
  active.record = record;
  byId.set(record.id, active);
}

async function publish(pass: Pass, record: ServiceRecord): Promise<NoRoom | undefined> {
  const { state } = pass;
  if (isWildcard(record)) return insert(pass, record, undefined);
  if (record.id >= state.services.capacity) return { reason: 'services-full', message: `cilium_services has no room for id ${record.id} (${state.services.capacity} entries)` };
  const obtained = await obtainRun(pass, record);
  if (obtained === 'no-room') return { reason: 'runs-full', message: 'cilium_service_runs has no room for the service’s backends' };
  const run = obtained === 'none' ? undefined : obtained;
  let noRoom = (await state.ranges.add(record)) ? undefined : noRangeRoom(pass, record);
  if (noRoom === undefined) {
    state.services.write(record, run?.target ?? 0n);
    noRoom = await insert(pass, record, run);
    if (noRoom === undefined) return undefined;
    state.services.setTarget(record.id, 0n);
    state.ranges.prune(record.id);
  }
  if (run !== undefined && run.uses === 0) state.runs.discard(run);
  return noRoom;
}

async function insert(pass: Pass, record: ServiceRecord, run: StoredRun | undefined): Promise<NoRoom | undefined> {
  const { state } = pass;
  const text = frontendText(record);
  state.vips.add(record.address);
  await state.frontends.opened();
  const occupant = state.byText.get(text);
  if (!(occupant === undefined ? state.frontends.insert(record) : state.frontends.replace(record))) {
    state.vips.remove(record.address);
    return { reason: 'services-full', message: `cilium_frontends has no room for ${text} (${state.frontends.maxEntries} entries)` };
  }
  pass.changed = true;
  if (occupant !== undefined) {
    state.vips.remove(record.address);
    retire(pass, occupant);
  }
  if (run !== undefined) state.runs.use(run);
  register(state, { record, text, wildcard: isWildcard(record), run });
  return undefined;
}

/** What a service that no frontend leads to any more leaves behind goes after a grace period. */
function retire({ state }: Pass, active: ActiveService): void {
  unregister(state, active);
  state.room++;
  if (active.wildcard) return;
  const { id } = active.record;
  state.restingIds.add(id);
  state.rest.later(() => {
    state.services.setTarget(id, 0n);
    if (active.run !== undefined) state.runs.release(active.run);
    active.run = undefined;
    state.ranges.prune(id);
    state.restingIds.delete(id);
  });
}

async function updateService(pass: Pass, { active, record }: ServiceUpdate): Promise<void> {
  const { state } = pass;
  const { id } = record;
  const [had, has] = [active.record, record].map(({ flags }) => (flags & SERVICE_FLAG.SOURCE_RANGE) !== 0);
  if (state.services.setPool(record)) pass.changed = true;
  if (has && !state.ranges.matches(record)) {
    pass.changed = true;
    if (!had) state.ranges.prune(id, record);
    if (!(await state.ranges.add(record))) {
      active.record = { ...active.record, pool: record.pool, affinityTimeout: record.affinityTimeout };
      fail(pass, record, { ...noRangeRoom(pass, record), effect: 'kept' });
      return;
    }
  }
  if (state.failures.get(id)?.reason === 'source-ranges-full') state.failures.delete(id);
  if (state.services.setFlags(record)) pass.changed = true;
  if (has && (!had || !sameRanges(active.record, record))) pass.guarded.add(id);
  active.record = record;
  if (has) state.ranges.prune(id, record);
  // Packets that read the flag before it was cleared are still to look at the prefixes.
  else if (had) state.rest.later(() => void (state.byId.get(id) === active && (active.record.flags & SERVICE_FLAG.SOURCE_RANGE) === 0 && state.ranges.prune(id)));
}

function sameRanges(a: ServiceRecord, b: ServiceRecord): boolean {
  const [before, after] = [wantedRanges(a), wantedRanges(b)];
  return before.size === after.size && [...before.keys()].every((text) => after.has(text));
}

function noRangeRoom({ state }: Pass, record: ServiceRecord): NoRoom {
  return { reason: 'source-ranges-full', message: `cilium_source_ranges has no room for the ${record.sourceRanges.length} prefixes of ${frontendText(record)} (${state.ranges.maxEntries} entries)` };
}

/** Whether a frontend stays until its successor, which waits for its id, takes it over. */
function isKeptForSuccessor({ state, desired, lateServices, ending }: Pass, { text, record, run }: ActiveService): boolean {
  const wanted = desired.records.services.get(record.id);
  if (wanted !== undefined && !isWildcard(wanted)) return false;
  if (run !== undefined && state.runs.read(run).some((index) => ending.has(index))) return false;
  return lateServices.some((late) => frontendText(late) === text);
}

/** Wildcards are published last and removed first: real services of their address must not fall to them. */
function rank(record: ServiceRecord): number {
  if (isWildcard(record)) return 2;
  return record.scope === 'internal' ? 0 : 1;
}
