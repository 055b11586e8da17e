import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { isSameBackend } from './backend-table.ts';
import { frontendText, isWildcard, type BackendRecord, type DesiredServices, type EndedBackend, type ServiceRecord } from './records.ts';
import { wantedRanges } from './source-ranges.ts';
import type { ActiveService, ServicesState } from './state.ts';

/** One service that stays, and what it becomes. */
export interface ServiceUpdate {
  readonly active: ActiveService;
  readonly record: ServiceRecord;
}

/** One pass of the writer: what is to be done, and what has come of it. */
export interface Pass {
  readonly state: ServicesState;
  readonly desired: DesiredServices;
  readonly addingBackends: readonly BackendRecord[];
  /** Live backends of which something else than what they are has changed. */
  readonly describing: readonly BackendRecord[];
  /** Live backends that end. Runs must not name them any more. */
  readonly ending: Set<number>;
  /** Pools whose run may differ from the desired one. */
  readonly touched: ReadonlySet<number>;
  readonly adding: readonly ServiceRecord[];
  readonly updating: readonly ServiceUpdate[];
  readonly removing: ReadonlySet<ActiveService>;
  /** What must wait until an id, an index or room has become free, and a grace period has passed. */
  lateServices: ServiceRecord[];
  lateBackends: BackendRecord[];
  latePools: Set<number>;
  /** Is an index or id wanted that only rests? Then it is better to wait and to plan again. */
  readonly wantsResting: boolean;
  /** Is there nothing left that would make room? */
  final: boolean;
  changed: boolean;
  readonly ended: EndedBackend[];
  /** Services whose source ranges have or may have become others. */
  readonly guarded: Set<number>;
}

interface Scope {
  readonly services: Iterable<number>;
  readonly pools: Iterable<number>;
  readonly backends: Iterable<number>;
  readonly complete: boolean;
}

/**
 * Compares what is with what should be. Changes nothing.
 * @throws RangeError for records that contradict each other
 */
export function planPass(state: ServicesState, desired: DesiredServices): Pass {
  const first = planScope(state, desired, scopeOf(state, desired, state.room !== state.triedAt));
  // What goes makes room for what found none.
  const pass = first.removing.size > 0 && state.failures.size > 0 ? planScope(state, desired, scopeOf(state, desired, true)) : first;
  for (const pool of pass.touched) checkRun(desired, pool);
  return pass;
}

function planScope(state: ServicesState, desired: DesiredServices, scope: Scope): Pass {
  const touched = new Set(scope.pools);
  const backends = planBackends(state, desired, { scope, touched });
  const services = planServices(state, desired, { scope, touched });
  const wantsResting = backends.lateBackends.some(({ index }) => state.backends.poolAt(index) === 0) || services.lateServices.some(({ id }) => state.restingIds.has(id));
  return { state, desired, touched, ...backends, ...services, wantsResting, latePools: new Set(), final: false, changed: false, ended: [], guarded: guardedBefore(state, desired, scope, services.removing) };
}

/** Services that are not what they were: those that are built anew, and all of them where it is unknown what was. */
function guardedBefore(state: ServicesState, { records }: DesiredServices, { complete }: Scope, removing: ReadonlySet<ActiveService>): Set<number> {
  const ids = complete ? [...records.services.keys()] : [...removing].map(({ record }) => record.id);
  return new Set(ids.filter((id) => hasRanges(records.services.get(id)) && (!complete || state.byId.has(id))));
}

function hasRanges(record: ServiceRecord | undefined): boolean {
  return record !== undefined && (record.flags & SERVICE_FLAG.SOURCE_RANGE) !== 0;
}

function scopeOf(state: ServicesState, { records, changed }: DesiredServices, again: boolean): Scope {
  if (changed === undefined || state.compareAll) {
    return {
      services: keysOfEither(records.services, state.byId),
      pools: keysOfEither(records.pools, state.pools),
      backends: keysOfEither(records.backends, state.backends.live),
      complete: true,
    };
  }
  if (state.failures.size === 0) return { services: changed.services, pools: changed.pools, backends: changed.backends, complete: false };
  const [services, pools] = [new Set(changed.services), new Set(changed.pools)];
  for (const id of state.failures.keys()) {
    const pool = records.services.get(id)?.pool ?? 0;
    if (!again && !services.has(id) && !pools.has(pool)) continue;
    services.add(id);
    pools.add(pool);
  }
  return { services, pools, backends: changed.backends, complete: false };
}

function* keysOfEither(a: ReadonlyMap<number, unknown>, b: ReadonlyMap<number, unknown>): Iterable<number> {
  yield* a.keys();
  for (const key of b.keys()) if (!a.has(key)) yield key;
}

function planBackends({ backends: table }: ServicesState, { records }: DesiredServices, { scope, touched }: { scope: Scope; touched: Set<number> }): Pick<Pass, 'addingBackends' | 'describing' | 'ending' | 'lateBackends'> {
  const addingBackends: BackendRecord[] = [];
  const describing: BackendRecord[] = [];
  const lateBackends: BackendRecord[] = [];
  const ending = new Set<number>();
  for (const index of scope.backends) {
    const [want, have] = [records.backends.get(index), table.live.get(index)];
    if (want === have) continue;
    if (want !== undefined && have !== undefined && isSameBackend(want, have)) {
      describing.push(want);
      continue;
    }
    if (have !== undefined) {
      ending.add(index);
      touched.add(have.pool);
    }
    if (want === undefined) continue;
    checkBackend(want, index);
    touched.add(want.pool);
    if (table.isFree(index)) {
      if (index < table.capacity) addingBackends.push(want);
    } else lateBackends.push(want);
  }
  return { addingBackends, describing, ending, lateBackends };
}

function planServices(state: ServicesState, { records }: DesiredServices, { scope, touched }: { scope: Scope; touched: Set<number> }): Pick<Pass, 'adding' | 'updating' | 'removing' | 'lateServices'> {
  const adding = new Map<string, ServiceRecord>();
  const lateServices: ServiceRecord[] = [];
  const updating: ServiceUpdate[] = [];
  const removing = new Set<ActiveService>();
  const foundWildcards = new Set([...(scope.complete ? state.byText.values() : [])].filter(({ wildcard, record }) => wildcard && record.id === 0));
  for (const id of scope.services) {
    const want = records.services.get(id);
    const text = want === undefined ? '' : frontendText(want);
    const have = state.byId.get(id) ?? (want !== undefined && isWildcard(want) ? state.byText.get(text) : undefined);
    if (have !== undefined) foundWildcards.delete(have);
    if (want === have?.record) continue;
    if (want !== undefined) checkService(want, id);
    if (want !== undefined && have !== undefined && have.text === text && !mustBeRebuilt(have.record, want)) {
      updating.push({ active: have, record: want });
      if (have.record.pool !== want.pool || state.failures.has(id)) touched.add(want.pool);
      continue;
    }
    if (have !== undefined) removing.add(have);
    if (want === undefined) continue;
    const occupant = state.byText.get(text);
    if (occupant !== undefined && occupant !== have) {
      checkLeaves(occupant, records.services.get(occupant.record.id), want);
      removing.add(occupant);
    }
    if (adding.has(text)) throw new RangeError(`records.services: ${adding.get(text)?.id} and ${id} are both ${text}`);
    adding.set(text, want);
    if (!isWildcard(want) && (have !== undefined || state.restingIds.has(id))) lateServices.push(want);
  }
  for (const wildcard of foundWildcards) removing.add(wildcard);
  // A wildcard may go on under another number.
  for (const { active } of updating) removing.delete(active);
  const late = new Set(lateServices);
  return { adding: [...adding.values()].filter((record) => !late.has(record)), lateServices, updating, removing };
}

/**
 * What cannot be changed under connections: in between, a client would get in that neither lets in. That is so when
 * prefixes turn from accepted to refused, and when others than before are to guard the backends of another service.
 */
function mustBeRebuilt(before: ServiceRecord, after: ServiceRecord): boolean {
  const [had, has] = [before, after].map(({ flags }) => (flags & SERVICE_FLAG.SOURCE_RANGE) !== 0);
  if (!has) return false;
  if (had && ((before.flags ^ after.flags) & SERVICE_FLAG.SOURCE_DENY) !== 0) return true;
  return before.pool !== after.pool && [...wantedRanges(before).keys()].sort().join() !== [...wantedRanges(after).keys()].sort().join();
}

function checkLeaves(occupant: ActiveService, itsRecord: ServiceRecord | undefined, other: ServiceRecord): void {
  if (itsRecord === undefined || frontendText(itsRecord) !== occupant.text) return;
  throw new RangeError(`records.services: ${itsRecord.id} and ${other.id} are both ${occupant.text}`);
}

function checkService(record: ServiceRecord, id: number): void {
  if (record.id !== id) throw new RangeError(`records.services: the record of ${id} has id ${record.id}`);
  if (!Number.isInteger(id) || id < 1) throw new RangeError(`records.services: expected ids from 1 up, got ${id}`);
  checkEnd(record, `records.services: service ${id}`);
}

function checkBackend(record: BackendRecord, index: number): void {
  if (record.index !== index) throw new RangeError(`records.backends: the record of ${index} has index ${record.index}`);
  if (!Number.isInteger(index) || index < 0) throw new RangeError(`records.backends: expected indexes from 0 up, got ${index}`);
  if (!Number.isInteger(record.pool) || record.pool < 1) throw new RangeError(`records.backends: backend ${index} is of pool ${record.pool}, expected 1 or more`);
  checkEnd(record, `records.backends: backend ${index}`);
}

function checkEnd({ port, protocol }: { readonly port: number; readonly protocol: number }, what: string): void {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`${what} has port ${port}, expected 0–65535`);
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 0xff) throw new RangeError(`${what} has protocol ${protocol}, expected 0–255`);
}

function checkRun({ records }: DesiredServices, pool: number): void {
  const run = records.pools.get(pool)?.run;
  if (run === undefined) return;
  let last = -1;
  for (const index of run) {
    if (index === last) continue;
    last = index;
    const owner = records.backends.get(index)?.pool;
    if (owner !== pool) throw new RangeError(`records.pools: the run of ${pool} names backend ${index}, which is ${owner === undefined ? 'not there' : `of pool ${owner}`}`);
  }
}
