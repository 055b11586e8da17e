import type { Cidr } from '@cilium-ts/core';
import { protocolNumber } from '../model/protocol.ts';
import type { ServiceRecord } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { formatFrontend, planFrontends } from '../plan/frontend-plan.ts';
import type { Finding } from '../plan/problem.ts';
import type { Pool } from './pool.ts';
import { createPool, poolKey, refreshPool, releasePool, wantsMaglev } from './pool.ts';
import { scopedKey } from './restored-ids.ts';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';
import { holdWildcards } from './wildcards.ts';

/** Works out what the service needs and claims its frontends. `touched` gets those who lose or gain one by that. */
export function planService(state: ServiceState, shared: Shared, touched: Set<ServiceState>): void {
  const { records, findings } = planFrontends(state.service, shared.settings);
  state.planned = records;
  state.planFindings = findings;
  const claims = new Set(records.map(({ key }) => key));
  for (const key of state.claims) if (!claims.has(key)) touch(touched, shared.claims.remove(key, state));
  for (const key of claims) if (!state.claims.has(key)) touch(touched, shared.claims.add(key, state));
  state.claims = claims;
}

/** Withdraws everything that the service claims. */
export function withdrawService(state: ServiceState, shared: Shared, touched: Set<ServiceState>): void {
  for (const key of state.claims) touch(touched, shared.claims.remove(key, state));
  state.claims = new Set();
  state.planned = [];
}

function touch(touched: Set<ServiceState>, other: ServiceState | undefined): void {
  if (other !== undefined) touched.add(other);
}

/** Gives back the records that the service has no right to any more, and pools that nothing leads to then. */
export function releaseLost(state: ServiceState, shared: Shared): void {
  const wanted = new Set<string>();
  const pools = new Set<string>();
  for (const planned of ownedRecords(state, shared)) {
    wanted.add(scopedKey(planned.key, planned.scope));
    pools.add(poolKey(planned));
  }
  for (const key of [...state.held.keys()]) if (!wanted.has(key)) dropRecord(key, state, shared);
  for (const [key, pool] of state.pools) {
    if (pools.has(key)) continue;
    state.pools.delete(key);
    releasePool(pool, shared);
  }
  holdWildcards(state, shared);
}

/** Makes or updates the pools and records of the frontends that the service has. */
export function buildService(state: ServiceState, shared: Shared): void {
  const findings: Finding[] = [];
  for (const [key, group] of groupByPool(ownedRecords(state, shared))) {
    const pool = state.pools.get(key) ?? createPool(group[0]!, group.map(({ key, scope }) => scopedKey(key, scope)), shared);
    state.pools.set(key, pool);
    pool.maglev = wantsMaglev(state, group, shared);
    refreshPool(pool, state, shared);
    for (const planned of group) putRecord(planned, pool, state, { shared, findings });
  }
  dropHalves(state, shared);
  if (!holdWildcards(state, shared)) findings.push(wildcardsFull());
  state.recordFindings = findings;
}

/** Of a frontend with two records both are there or none: one alone would answer the wrong clients. */
function dropHalves(state: ServiceState, shared: Shared): void {
  for (const [key, { record, planned }] of [...state.held]) {
    if ((record.flags & SERVICE_FLAGS.TWO_SCOPES) === 0) continue;
    const other = scopedKey(planned.key, planned.scope === 'external' ? 'internal' : 'external');
    if (!state.held.has(other)) dropRecord(key, state, shared);
  }
}

/** Brings just the pools in line with the endpoints. */
export function refreshService(state: ServiceState, shared: Shared): void {
  for (const pool of state.pools.values()) refreshPool(pool, state, shared);
}

function ownedRecords(state: ServiceState, { claims }: Shared): readonly PlannedRecord[] {
  return state.planned.filter(({ key }) => claims.owner(key) === state);
}

function groupByPool(records: readonly PlannedRecord[]): ReadonlyMap<string, PlannedRecord[]> {
  const groups = new Map<string, PlannedRecord[]>();
  for (const planned of records) {
    const key = poolKey(planned);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [planned]);
    else group.push(planned);
  }
  return groups;
}

interface Build {
  readonly shared: Shared;
  readonly findings: Finding[];
}

function putRecord(planned: PlannedRecord, pool: Pool, state: ServiceState, { shared, findings }: Build): void {
  const key = scopedKey(planned.key, planned.scope);
  const held = state.held.get(key);
  const sourceRanges = sourceRangesOf(planned, state);
  const frontend = formatFrontend(planned.frontend);
  if (shared.sourceRanges - (held?.record.sourceRanges.length ?? 0) + sourceRanges.length > shared.settings.limits.sourceRanges) {
    if (held !== undefined) dropRecord(key, state, shared);
    findings.push({ ...sourceRangesFull(sourceRanges.length), frontend });
    return;
  }
  const id = held?.record.id ?? obtainId(planned, key, shared);
  if (id === undefined) {
    findings.push({ ...servicesFull(), frontend });
    return;
  }
  const wish = planned.frontend.id;
  if (wish !== undefined && wish !== id && planned.scope === 'external') findings.push({ ...idTaken(wish, id), frontend });
  const record = recordOf(planned, { id, pool, state, sourceRanges });
  if (held !== undefined && sameRecord(held.record, record)) return;
  shared.sourceRanges += sourceRanges.length - (held?.record.sourceRanges.length ?? 0);
  state.held.set(key, { record, planned });
  shared.byFrontend.set(key, id);
  shared.store.putService(record);
}

function obtainId(planned: PlannedRecord, key: string, { restored, serviceIds, byFrontend, settings }: Shared): number | undefined {
  if (byFrontend.size >= settings.limits.frontends) return undefined;
  const before = restored?.claimService(key);
  if (before !== undefined) return before;
  const wish = planned.frontend.id;
  if (wish !== undefined && planned.scope === 'external' && serviceIds.takeExactly(wish)) return wish;
  return serviceIds.take();
}

function dropRecord(key: string, state: ServiceState, shared: Shared): void {
  const held = state.held.get(key);
  if (held === undefined) return;
  state.held.delete(key);
  shared.byFrontend.delete(key);
  shared.sourceRanges -= held.record.sourceRanges.length;
  shared.store.deleteService(held.record.id);
  shared.serviceIds.release(held.record.id);
  shared.freed = true;
}

function sourceRangesOf({ flags, frontend }: PlannedRecord, { service }: ServiceState): readonly Cidr[] {
  if ((flags & SERVICE_FLAGS.SOURCE_RANGE) === 0) return [];
  return service.sourceRanges.filter(({ family }) => family === frontend.address.family);
}

interface RecordParts {
  readonly id: number;
  readonly pool: Pool;
  readonly state: ServiceState;
  readonly sourceRanges: readonly Cidr[];
}

function recordOf({ frontend, scope, flags }: PlannedRecord, { id, pool, state, sourceRanges }: RecordParts): ServiceRecord {
  return {
    id,
    address: frontend.address,
    port: frontend.port,
    protocol: protocolNumber(frontend.protocol),
    scope,
    flags: flags | (pool.maglev ? SERVICE_FLAGS.MAGLEV : 0),
    affinityTimeout: (flags & SERVICE_FLAGS.AFFINITY) === 0 ? 0 : state.service.affinityTimeout,
    pool: pool.id,
    sourceRanges,
  };
}

function sameRecord(a: ServiceRecord, b: ServiceRecord): boolean {
  if (a.flags !== b.flags || a.affinityTimeout !== b.affinityTimeout || a.pool !== b.pool) return false;
  return a.sourceRanges.length === b.sourceRanges.length && a.sourceRanges.every(({ text }, place) => text === b.sourceRanges[place]!.text);
}

function servicesFull(): Finding {
  const message = 'no id is left for this frontend: the map of services is full';
  return { code: 'services-full', message, remedy: 'remove services, or spread them over more nodes by node exposure' };
}

function sourceRangesFull(count: number): Finding {
  const message = `its ${count} source ranges have no place: the map is full, and without them it would be open to everybody`;
  return { code: 'source-ranges-full', message, remedy: 'join source ranges to larger prefixes' };
}

function idTaken(wish: number, id: number): Finding {
  const message = `id ${wish} is another frontend's; it has id ${id}`;
  return { code: 'id-taken', severity: 'warning', message, remedy: 'ask for an id that is free' };
}

function wildcardsFull(): Finding {
  const message = 'other ports of its addresses are not refused: the map of frontends is full';
  return { code: 'services-full', severity: 'warning', message, remedy: 'remove services' };
}
