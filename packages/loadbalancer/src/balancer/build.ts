import { protocolNumber } from '../model/protocol.ts';
import type { ServiceRecord } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { planFrontends } from '../plan/frontend-plan.ts';
import type { Finding } from '../plan/problem.ts';
import { wildcardsFull } from './findings.ts';
import type { AdmittedRecord } from './admission.ts';
import { admitRecords, dropRecord } from './admission.ts';
import type { Pool } from './pool.ts';
import { createPool, poolKey, refreshPool, releasePool, wantsMaglev } from './pool.ts';
import { scopedKey } from './restored-ids.ts';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';
import { holdWildcards } from './wildcards.ts';

/** Works out what the service needs and claims its frontends. `touched` gets those who lose or gain one by that. */
export function planService(state: ServiceState, shared: Shared, touched: Set<ServiceState>): void {
  const { records, refused, findings } = planFrontends(state.service, shared.settings);
  state.planned = records;
  state.refused = refused;
  state.planFindings = findings;
  const claims = records.filter(({ scope }) => scope === 'external').map(({ key }) => key);
  const [before, now] = [membership(state.claims), membership(claims)];
  for (const key of state.claims) if (!now(key)) touch(touched, shared.claims.remove(key, state));
  for (const key of claims) if (!before(key)) touch(touched, shared.claims.add(key, state));
  state.claims = claims;
}

/** Most services have a handful of frontends, for which a set would cost more than it saves. */
function membership(keys: readonly string[]): (key: string) => boolean {
  if (keys.length <= 8) return (key) => keys.includes(key);
  const set = new Set(keys);
  return (key) => set.has(key);
}

/** Withdraws everything that the service claims. */
export function withdrawService(state: ServiceState, shared: Shared, touched: Set<ServiceState>): void {
  for (const key of state.claims) touch(touched, shared.claims.remove(key, state));
  state.claims = [];
  state.planned = [];
  state.refused = [];
}

function touch(touched: Set<ServiceState>, other: ServiceState | undefined): void {
  if (other !== undefined) touched.add(other);
}

/** Gives back the records that the service has no right to any more, and pools that nothing leads to then. */
export function releaseLost(state: ServiceState, shared: Shared): void {
  if (state.held.size === 0 && state.pools.size === 0) return;
  const wanted = new Set<string>();
  const pools = new Set<string>();
  for (const planned of ownedRecords(state, shared)) {
    wanted.add(scopedKey(planned.key, planned.scope));
    pools.add(poolKey(planned));
  }
  for (const key of [...state.held.keys()]) if (!wanted.has(key)) dropRecord(key, state, shared);
  releasePools(state, shared, (key) => pools.has(key));
  holdWildcards(state, shared);
}

/** Makes or updates the pools and records of the frontends that the service has. */
export function buildService(state: ServiceState, shared: Shared): void {
  const findings: Finding[] = [];
  const admitted = admitRecords(ownedRecords(state, shared), state, shared, findings);
  const groups = groupByPool(admitted);
  for (const [key, group] of groups) {
    const pool = state.pools.get(key) ?? createPool(group[0]!.planned, group.map((record) => record.key), shared);
    state.pools.set(key, pool);
    pool.maglev = wantsMaglev(state, group.map(({ planned }) => planned), shared);
    refreshPool(pool, state, shared);
    for (const record of group) putRecord(record, pool, state, shared);
  }
  releasePools(state, shared, (key) => groups.has(key));
  if (!holdWildcards(state, shared)) findings.push(wildcardsFull(shared.settings));
  state.recordFindings = findings;
}

/** Brings just the pools in line with the endpoints. */
export function refreshService(state: ServiceState, shared: Shared): void {
  for (const pool of state.pools.values()) refreshPool(pool, state, shared);
}

function ownedRecords(state: ServiceState, { claims }: Shared): readonly PlannedRecord[] {
  return state.planned.filter(({ key }) => claims.owner(key) === state);
}

function groupByPool(records: readonly AdmittedRecord[]): ReadonlyMap<string, AdmittedRecord[]> {
  const groups = new Map<string, AdmittedRecord[]>();
  for (const record of records) {
    const key = poolKey(record.planned);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return groups;
}

function releasePools(state: ServiceState, shared: Shared, isWanted: (key: string) => boolean): void {
  for (const [key, pool] of state.pools) {
    if (isWanted(key)) continue;
    state.pools.delete(key);
    releasePool(pool, shared);
  }
}

function putRecord({ planned, key, id, sourceRanges }: AdmittedRecord, pool: Pool, state: ServiceState, { store }: Shared): void {
  const { frontend, scope } = planned;
  const flags = planned.flags | (pool.maglev ? SERVICE_FLAGS.MAGLEV : 0);
  const affinityTimeout = (flags & SERVICE_FLAGS.AFFINITY) === 0 ? 0 : state.service.affinityTimeout;
  const protocol = protocolNumber(frontend.protocol);
  const { address, port } = frontend;
  const record: ServiceRecord = { id, address, port, protocol, scope, flags, affinityTimeout, pool: pool.id, sourceRanges };
  const before = state.held.get(key)?.record;
  state.held.set(key, { record, planned });
  if (before === undefined || !sameRecord(before, record)) store.putService(record);
}

function sameRecord(a: ServiceRecord, b: ServiceRecord): boolean {
  if (a.flags !== b.flags || a.affinityTimeout !== b.affinityTimeout || a.pool !== b.pool) return false;
  return a.sourceRanges.length === b.sourceRanges.length && a.sourceRanges.every(({ text }, place) => text === b.sourceRanges[place]!.text);
}
