import type { Cidr } from '@cilium-ts/core';
import { SERVICE_FLAGS } from '../model/records.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { formatFrontend } from '../plan/frontend-plan.ts';
import type { Finding } from '../plan/problem.ts';
import { idTaken, servicesFull, sourceRangesFull } from './findings.ts';
import { scopedKey } from './restored-ids.ts';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';

/** A record that has its place: an id, and room for its source ranges. */
export interface AdmittedRecord {
  readonly planned: PlannedRecord;
  /** Scoped key. */
  readonly key: string;
  readonly id: number;
  readonly sourceRanges: readonly Cidr[];
}

/**
 * Finds a place for each of the records. Of a frontend with two records both get theirs or none: one alone would
 * answer the wrong clients. What has no place is reported, and loses the place that it had.
 */
export function admitRecords(records: readonly PlannedRecord[], state: ServiceState, shared: Shared, findings: Finding[]): readonly AdmittedRecord[] {
  const admitted = new Map<string, AdmittedRecord>();
  for (const planned of records) {
    const record = admit(planned, state, shared, findings);
    if (record !== undefined) admitted.set(record.key, record);
  }
  for (const record of admitted.values()) if (lacksOther(record, admitted)) giveBack(record, state, shared);
  const whole = [...admitted.values()].filter((record) => !lacksOther(record, admitted));
  const keys = new Set(whole.map(({ key }) => key));
  for (const key of [...state.held.keys()]) if (!keys.has(key)) dropRecord(key, state, shared);
  return whole;
}

/** Takes a record away and gives its place back. */
export function dropRecord(key: string, state: ServiceState, shared: Shared): void {
  const held = state.held.get(key);
  if (held === undefined) return;
  state.held.delete(key);
  shared.byFrontend.delete(key);
  shared.sourceRanges -= held.record.sourceRanges.length;
  shared.store.deleteService(held.record.id);
  shared.departing.leave(key, held.record.id);
  shared.freed = true;
}

function admit(planned: PlannedRecord, state: ServiceState, shared: Shared, findings: Finding[]): AdmittedRecord | undefined {
  const key = scopedKey(planned.key, planned.scope);
  const held = state.held.get(key)?.record;
  const sourceRanges = sourceRangesOf(planned, state);
  const frontend = formatFrontend(planned.frontend);
  const growth = sourceRanges.length - (held?.sourceRanges.length ?? 0);
  if (shared.sourceRanges + growth > shared.settings.limits.sourceRanges) {
    findings.push({ ...sourceRangesFull(sourceRanges.length), frontend });
    return undefined;
  }
  const id = held?.id ?? obtainId(planned, key, shared);
  if (id === undefined) {
    findings.push({ ...servicesFull(shared.settings), frontend });
    return undefined;
  }
  const wish = planned.frontend.id;
  if (wish !== undefined && wish !== id && planned.scope === 'external') findings.push({ ...idTaken(wish, id), frontend });
  shared.sourceRanges += growth;
  shared.byFrontend.set(key, id);
  return { planned, key, id, sourceRanges };
}

function obtainId(planned: PlannedRecord, key: string, { restored, serviceIds, departing, byFrontend, settings }: Shared): number | undefined {
  if (byFrontend.size >= settings.limits.frontends) return undefined;
  const before = restored?.claimService(key);
  if (before !== undefined) return before;
  const wish = planned.frontend.id;
  if (wish !== undefined && planned.scope === 'external') {
    departing.release(wish);
    if (serviceIds.takeExactly(wish)) return wish;
  }
  const id = departing.claim(key) ?? serviceIds.take();
  if (id !== undefined) return id;
  departing.releaseAll();
  return serviceIds.take();
}

function lacksOther({ planned }: AdmittedRecord, admitted: ReadonlyMap<string, AdmittedRecord>): boolean {
  if ((planned.flags & SERVICE_FLAGS.TWO_SCOPES) === 0) return false;
  return !admitted.has(scopedKey(planned.key, planned.scope === 'external' ? 'internal' : 'external'));
}

/** Undoes {@link admit}; what was held before goes by {@link dropRecord}. */
function giveBack({ key, id, sourceRanges }: AdmittedRecord, { held }: ServiceState, shared: Shared): void {
  const before = held.get(key)?.record;
  shared.sourceRanges -= sourceRanges.length - (before?.sourceRanges.length ?? 0);
  if (before !== undefined) return;
  shared.byFrontend.delete(key);
  shared.serviceIds.release(id);
}

function sourceRangesOf({ flags, frontend }: PlannedRecord, { service }: ServiceState): readonly Cidr[] {
  if ((flags & SERVICE_FLAGS.SOURCE_RANGE) === 0) return [];
  return service.sourceRanges.filter(({ family }) => family === frontend.address.family);
}
