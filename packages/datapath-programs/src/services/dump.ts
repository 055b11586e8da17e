import type { Cidr, IpAddress } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { readBackends } from './backend-table.ts';
import { readFrontends } from './frontend-table.ts';
import type { ServiceStore } from './ports.ts';
import type { BackendRecord } from './records.ts';
import { readRun, splitTarget } from './run-store.ts';
import { readService } from './service-table.ts';
import { readSourceRanges } from './source-ranges.ts';

/** A backend of a service as it is in the kernel. */
export interface BackendDumpEntry {
  readonly index: number;
  readonly generation: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly state: BackendRecord['state'];
  readonly zone: number;
  /** Places in the run; 0: not chosen for new connections. */
  readonly places: number;
}

/** A frontend as it is in the kernel. */
export interface ServiceDumpEntry {
  /** Undefined: any other port of the address, which is refused. */
  readonly id: number | undefined;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly scope: 'external' | 'internal';
  /** SERVICE_FLAG bits. */
  readonly flags: number;
  readonly affinityTimeout: number;
  readonly pool: number;
  readonly generation: number;
  /** Places among which a hash chooses. */
  readonly runLength: number;
  readonly backends: readonly BackendDumpEntry[];
  readonly sourceRanges: readonly Cidr[];
}

/** Every frontend in the kernel with what it leads to, by id. Reads while others write: each entry by itself is recent, not all of one moment. */
export function dumpServices(store: ServiceStore): ServiceDumpEntry[] {
  const pools = group(readBackends(store.backends), ({ pool }) => pool);
  const ranges = group(readSourceRanges(store.sourceRanges), ({ service }) => service);
  const entries: ServiceDumpEntry[] = [];
  for (const { service: id, ...frontend } of readFrontends(store.frontends)) {
    const found = id === undefined ? undefined : readService(store.services, id);
    const places = placesOf(store, found?.target ?? 0n);
    const backends = (found === undefined ? [] : (pools.get(found.pool) ?? [])).map(({ pool: _pool, ...each }) => ({ ...each, places: places.get(each.index) ?? 0 }));
    entries.push({
      id, ...frontend,
      flags: found?.flags ?? 0,
      affinityTimeout: found?.affinityTimeout ?? 0,
      pool: found?.pool ?? 0,
      generation: found?.generation ?? 0,
      runLength: splitTarget(found?.target ?? 0n)[1],
      backends,
      sourceRanges: found === undefined || (found.flags & SERVICE_FLAG.SOURCE_RANGE) === 0 ? [] : (ranges.get(found.id) ?? []).map(({ cidr }) => cidr),
    });
  }
  return entries.sort((a, b) => (a.id ?? Infinity) - (b.id ?? Infinity));
}

function placesOf(store: ServiceStore, target: bigint): Map<number, number> {
  const [place, length] = splitTarget(target);
  const places = new Map<number, number>();
  if (length === 0 || place / 2 + Math.ceil(length / 2) > store.runs.length) return places;
  for (const index of readRun(store.runs, place / 2, length)) places.set(index, (places.get(index) ?? 0) + 1);
  return places;
}

function group<T>(items: Iterable<T>, keyOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
