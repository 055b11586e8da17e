import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import type { Pass } from './plan.ts';
import type { ServiceFailureEffect, ServiceFailureReason, ServiceRecord } from './records.ts';
import type { StoredRun } from './run-store.ts';
import type { ActiveService } from './state.ts';

/** Leads a service to a run, or to none, with one store. */
export function lead(pass: Pass, active: ActiveService, run: StoredRun | undefined): void {
  const { state } = pass;
  const before = active.run;
  if (before === run) return;
  if (run !== undefined) state.runs.use(run);
  state.services.setTarget(active.record.id, run?.target ?? 0n);
  pass.changed = true;
  active.run = run;
  if (before === undefined) return;
  state.runs.release(before);
  if (before.length > (run?.length ?? 0)) state.room++;
}

/** Notes that a service is not as it should be. */
export function fail(pass: Pass, record: ServiceRecord, failure: { reason: ServiceFailureReason; effect: ServiceFailureEffect; message: string }): void {
  const { id, address, port, protocol, scope } = record;
  pass.state.failures.set(id, { id, address, port, protocol, scope, ...failure });
}

/**
 * Brings the services of these pools to the desired runs, as far as their backends live and there is room. What the two
 * scopes of one frontend lead to changes by one store right after the other.
 */
export async function switchPools(pass: Pass, pools: Iterable<number>): Promise<void> {
  for (const group of together(pass, [...pools])) {
    // What leaves keeps its run until no frontend leads there.
    const switches = group.map((pool) => ({ pool, members: [...(pass.state.pools.get(pool) ?? [])].filter((active) => !pass.removing.has(active)) }));
    const wanted = switches.filter(({ members }) => members.length > 0).map((each) => ({ ...each, prepared: prepare(pass, each.pool, each.members) }));
    for (const { members, prepared } of wanted) if (prepared !== undefined) leadAll(pass, members, prepared);
    for (const { pool, members, prepared } of wanted) if (prepared === undefined) await squeeze(pass, pool, members);
  }
}

/** Where there was no room for a pool's run: again with more, and else as well as it goes. */
async function squeeze(pass: Pass, pool: number, members: readonly ActiveService[]): Promise<void> {
  if (pass.state.rest.pending > 0) {
    await pass.state.rest.settle();
    if (switchPool(pass, pool, members)) return;
  }
  if ((await detour(pass, pool, members)) && switchPool(pass, pool, members)) return;
  if (!pass.final && pass.removing.size > 0) pass.latePools.add(pool);
  makeDo(pass, pool, members);
}

/** The same pools, those of one frontend's scopes in one group. */
function together({ state }: Pass, pools: readonly number[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const pool of pools) {
    const key = sharedFrontend(state.pools.get(pool) ?? []) ?? `pool ${pool}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pool]);
    else group.push(pool);
  }
  return [...groups.values()];
}

/** The first frontend, in the order of texts, that services of one pool share with services of another: that of the other scope. */
function sharedFrontend(members: Iterable<ActiveService>): string | undefined {
  let first: string | undefined;
  for (const { record: { address, port, protocol, scope, flags } } of members) {
    if (scope !== 'internal' && (flags & SERVICE_FLAG.TWO_SCOPES) === 0) continue;
    const text = `${address.text} ${port} ${protocol}`;
    if (first === undefined || text < first) first = text;
  }
  return first;
}

/** A run that is written, and how many backends it has of those that are wanted. */
interface Prepared {
  readonly run: StoredRun | undefined;
  readonly usable: number;
}

/** Writes a pool's run; undefined when there is no room: then nothing has changed. */
function prepare(pass: Pass, pool: number, members: readonly ActiveService[]): Prepared | undefined {
  const { state } = pass;
  const indexes = usableRun(pass, pool);
  if (indexes.length === 0) return { run: undefined, usable: 0 };
  const present = new Set(members.flatMap((active) => active.run ?? []));
  const run = [...present].find((each) => state.runs.holds(each, indexes)) ?? state.runs.write(indexes);
  return run === undefined ? undefined : { run, usable: indexes.length };
}

function leadAll(pass: Pass, members: readonly ActiveService[], { run, usable }: Prepared): void {
  for (const active of members) lead(pass, active, run);
  for (const { record } of members) {
    const before = pass.state.failures.get(record.id)?.reason;
    if (before === 'runs-full' || before === 'backends-full') pass.state.failures.delete(record.id);
    noteMissingBackends(pass, record, usable);
  }
}

/** False when there is no room for the run; then nothing has changed. */
function switchPool(pass: Pass, pool: number, members: readonly ActiveService[]): boolean {
  const prepared = prepare(pass, pool, members);
  if (prepared !== undefined) leadAll(pass, members, prepared);
  return prepared !== undefined;
}

/**
 * Makes room for a run in the place of the one that it replaces: for a grace period, the services choose among their
 * backends without weights. False when that would not help.
 */
async function detour(pass: Pass, pool: number, members: readonly ActiveService[]): Promise<boolean> {
  const { state } = pass;
  const [old] = members.map(({ run }) => run);
  if (old === undefined || members.some(({ run }) => run !== old) || !state.runs.fitsInPlaceOf(old, usableRun(pass, pool).length)) return false;
  const reduced = writeReduced(pass, pool);
  if (reduced === undefined) return false;
  for (const active of members) lead(pass, active, reduced);
  await state.rest.settle();
  return true;
}

/** What is done where a run finds no room: a service must not lead to backends that end. */
function makeDo(pass: Pass, pool: number, members: readonly ActiveService[]): void {
  const { state } = pass;
  const length = usableRun(pass, pool).length;
  const message = `cilium_service_runs has no room for ${length} places`;
  let reduced: StoredRun | undefined;
  for (const active of members) {
    const { record, run } = active;
    if (run !== undefined && run !== reduced && state.runs.read(run).every((index) => isUsable(pass, pool, index))) {
      fail(pass, record, { reason: 'runs-full', effect: 'kept', message: `${message}; the service keeps the backends it had` });
      continue;
    }
    reduced ??= writeReduced(pass, pool);
    lead(pass, active, reduced);
    if (reduced === undefined) fail(pass, record, { reason: 'runs-full', effect: 'no-backends', message: `${message}; the service refuses connections` });
    else fail(pass, record, { reason: 'runs-full', effect: 'reduced', message: `${message}; the service chooses among its backends without weights` });
  }
}

/** A run for a new service of a pool, not counted as used yet; 'no-room' when even a reduced one does not fit. */
export async function obtainRun(pass: Pass, record: ServiceRecord): Promise<StoredRun | 'none' | 'no-room'> {
  const { state } = pass;
  const indexes = usableRun(pass, record.pool);
  noteMissingBackends(pass, record, indexes.length);
  if (indexes.length === 0) return 'none';
  const [member] = state.pools.get(record.pool) ?? [];
  if (member?.run !== undefined && state.runs.holds(member.run, indexes)) return member.run;
  const written = state.runs.write(indexes);
  if (written !== undefined) return written;
  if (state.rest.pending > 0) {
    await state.rest.settle();
    const second = state.runs.write(indexes);
    if (second !== undefined) return second;
  }
  const reduced = pass.final || pass.removing.size === 0 ? writeReduced(pass, record.pool) : undefined;
  if (reduced === undefined) return 'no-room';
  fail(pass, record, { reason: 'runs-full', effect: 'reduced', message: `cilium_service_runs has no room for ${indexes.length} places; the service chooses among its backends without weights` });
  return reduced;
}

/** A pool's desired run, without the backends that are not there: those that found no room, or not yet. */
function usableRun(pass: Pass, pool: number): Uint32Array {
  const run = pass.desired.records.pools.get(pool)?.run ?? new Uint32Array(0);
  return run.every((index) => isUsable(pass, pool, index)) ? run : run.filter((index) => isUsable(pass, pool, index));
}

function isUsable({ state, ending }: Pass, pool: number, index: number): boolean {
  return state.backends.poolAt(index) === pool && (ending.size === 0 || !ending.has(index));
}

function writeReduced(pass: Pass, pool: number): StoredRun | undefined {
  const distinct = new Set(usableRun(pass, pool));
  return distinct.size === 0 ? undefined : pass.state.runs.write(Uint32Array.from(distinct));
}

/** Reports a service some of whose backends lie beyond the map. */
function noteMissingBackends(pass: Pass, record: ServiceRecord, usable: number): void {
  const { capacity } = pass.state.backends;
  const run = pass.desired.records.pools.get(record.pool)?.run;
  if (run === undefined || usable === run.length) return;
  const missing = new Set(run.filter((index) => index >= capacity)).size;
  if (missing === 0) return;
  fail(pass, record, { reason: 'backends-full', effect: usable === 0 ? 'no-backends' : 'reduced', message: `cilium_backends has no room for ${missing} backends of the service (${capacity} entries)` });
}
