import type { Protocol } from '../model/protocol.ts';
import { protocolNumber } from '../model/protocol.ts';
import type { BackendRecord } from '../model/records.ts';
import type { Candidate } from '../plan/candidates.ts';
import { candidatesOf } from '../plan/candidates.ts';
import type { Choice } from '../plan/choose.ts';
import { chooseBackends } from '../plan/choose.ts';
import { MOST } from '../plan/options.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { isExternal } from '../plan/frontend-plan.ts';
import type { Finding } from '../plan/problem.ts';
import { sequenceRun, tableRun } from './run.ts';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';

/** The backends of one port of a service, of one family, all of them or those of this node. */
export interface Pool {
  readonly id: number;
  readonly key: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: 4 | 6;
  readonly local: boolean;
  /** Whether its run is a Maglev table. */
  maglev: boolean;
  /** By the key of their candidate. */
  readonly members: Map<string, BackendRecord>;
  run: Uint32Array;
  /** What its backends lack. */
  findings: readonly Finding[];
}

/** Typed arrays are dear to make, and every pool begins without backends. */
const EMPTY_RUN = new Uint32Array(0);

/** Identifies the pool of a record within its service. */
export function poolKey({ frontend, local }: PlannedRecord): string {
  return `${frontend.portName}|${frontend.protocol}|${frontend.address.family}${local ? '|local' : ''}`;
}

/** A pool for the records of `scopedKeys`; its id is the one that they had before a restart. To be refreshed before it is used. */
export function createPool(planned: PlannedRecord, scopedKeys: readonly string[], shared: Shared): Pool {
  const id = shared.restored?.claimPool(scopedKeys) ?? shared.poolIds.take()!;
  const { portName, protocol, address } = planned.frontend;
  const base = { id, key: poolKey(planned), portName, protocol, family: address.family, local: planned.local };
  return { ...base, maglev: false, members: new Map(), run: EMPTY_RUN, findings: [] };
}

/** Whether the pool of these records is a Maglev table: for clients outside, who reach the service by several nodes. */
export function wantsMaglev(state: ServiceState, planned: readonly PlannedRecord[], shared: Shared): boolean {
  if ((state.service.algorithm ?? shared.settings.algorithm) !== 'maglev') return false;
  return planned.some(({ frontend, scope }) => isExternal(frontend.kind) && scope === 'external');
}

/** Candidates of a pool as they are now. */
export function poolCandidates(pool: Pool, state: ServiceState, shared: Shared): readonly Candidate[] {
  const { portName, protocol, family, local } = pool;
  const query = { portName, protocol, family, isUnhealthy: shared.isUnhealthy };
  return candidatesOf(state.slices.values(), local ? { ...query, localTo: shared.settings.nodeName } : query);
}

/** The choice of a pool among its candidates. */
export function poolChoice(candidates: readonly Candidate[], state: ServiceState, { settings }: Shared): Choice {
  const { internalTrafficPolicy, trafficDistribution } = state.service;
  const distribution = internalTrafficPolicy === 'Local' ? 'any' : trafficDistribution;
  return chooseBackends(candidates, { nodeName: settings.nodeName, zone: settings.zone, distribution });
}

/** Brings members and run of a pool in line with the endpoints. */
export function refreshPool(pool: Pool, state: ServiceState, shared: Shared): void {
  const candidates = poolCandidates(pool, state, shared);
  const findings: Finding[] = [];
  dropMissing(pool, candidates, shared);
  let homeless = 0;
  for (const candidate of candidates) if (!placeMember(pool, candidate, shared)) homeless++;
  if (homeless > 0) findings.push(backendsFull(homeless, candidates.length, shared));
  const chosen = poolChoice(candidates, state, shared).chosen.filter(({ key }) => pool.members.has(key));
  setRun(pool, makeRun(pool, chosen, findings, shared), shared);
  pool.findings = findings;
}

/** Gives back everything that a pool has. */
export function releasePool(pool: Pool, shared: Shared): void {
  dropMissing(pool, [], shared);
  setRun(pool, EMPTY_RUN, shared);
  shared.store.deletePool(pool.id);
  shared.poolIds.release(pool.id);
}

function dropMissing(pool: Pool, candidates: readonly Candidate[], shared: Shared): void {
  if (pool.members.size === 0) return;
  const wanted = new Set(candidates.map(({ key }) => key));
  for (const [key, { index }] of pool.members) {
    if (wanted.has(key)) continue;
    pool.members.delete(key);
    shared.store.deleteBackend(index);
    shared.backendIds.release(index);
    shared.freed = true;
  }
}

function placeMember(pool: Pool, candidate: Candidate, shared: Shared): boolean {
  const known = pool.members.get(candidate.key);
  const state = candidate.state === 'draining' ? 'terminating' : candidate.state;
  const zone = shared.zoneNumber(candidate.endpoint.zone);
  if (known !== undefined && known.state === state && known.zone === zone) return true;
  const protocol = protocolNumber(pool.protocol);
  const index = known?.index ?? shared.restored?.claimBackend(pool.id, candidate.key, protocol) ?? shared.backendIds.take();
  if (index === undefined) return false;
  const { address, port } = candidate;
  const record: BackendRecord = { index, pool: pool.id, address, port, protocol, state, zone };
  pool.members.set(candidate.key, record);
  shared.store.putBackend(record);
  return true;
}

function makeRun(pool: Pool, chosen: readonly Candidate[], findings: Finding[], shared: Shared): Uint32Array {
  const indexes = chosen.map(({ key }) => pool.members.get(key)!.index);
  if (pool.maglev && chosen.length > shared.settings.maglevTableSize) findings.push(maglevTooSmall(chosen.length, shared));
  else if (pool.maglev) {
    const table = tableRun(chosen, indexes, pool.protocol, shared.settings);
    if (shared.runs.fits(pool.run.length, table.length)) return table;
    findings.push(runsFull('it is spread at random instead'));
  }
  const sequence = sequenceRun(chosen, indexes);
  if (shared.runs.fits(pool.run.length, sequence.length)) return sequence;
  findings.push(runsFull('it has no backends'));
  return EMPTY_RUN;
}

function setRun(pool: Pool, run: Uint32Array, shared: Shared): void {
  const known = shared.store.records.pools.has(pool.id);
  if (known && run.length === pool.run.length && run.every((index, place) => index === pool.run[place])) return;
  shared.runs.change(pool.run.length, run.length);
  if (run.length < pool.run.length) shared.freed = true;
  pool.run = run;
  shared.store.putPool({ id: pool.id, run });
}

function backendsFull(homeless: number, all: number, { settings: { limits } }: Shared): Finding {
  const message = `${homeless} of ${all} backends have no place: the map of backends is full`;
  return { code: 'backends-full', message, remedy: limits.backends < MOST.backends ? 'raise bpf-lb-backend-map-max, or remove backends' : 'remove backends: no node can have more' };
}

function runsFull(consequence: string): Finding {
  const message = `the choice of backends has no place: the map of runs is full; ${consequence}`;
  return { code: 'runs-full', message, remedy: 'choose a smaller bpf-lb-maglev-table-size, or fewer services with Maglev' };
}

function maglevTooSmall(count: number, { settings }: Shared): Finding {
  const message = `${count} backends do not fit into a Maglev table of ${settings.maglevTableSize} places; they are chosen at random instead`;
  return { code: 'maglev-too-small', severity: 'warning', message, remedy: 'choose a larger bpf-lb-maglev-table-size' };
}
