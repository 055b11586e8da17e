import { ipFromBytes } from '@cilium-ts/core';
import type { BackendRecord, PoolRecord, RecordChanges, ServiceRecord, ServiceRecords } from '../../src/services/records.ts';

/** Records of a pool's backends: each has indexes of its own. */
export interface Pools {
  readonly records: ServiceRecords;
  /** Gives a service's backends other addresses, under indexes that have been free the longest; says what has changed. */
  replaceBackend(service: number): RecordChanges;
}

/** So many services with so many backends each, ready to be changed in place. */
export function manyServices(count: number, backendsEach: number, spare = 20_000): Pools {
  const services = new Map<number, ServiceRecord>();
  const pools = new Map<number, PoolRecord>();
  const backends = new Map<number, BackendRecord>();
  const free: number[] = [];
  let next = 1;
  for (let id = 1; id <= count; id++) {
    const run = Uint32Array.from({ length: backendsEach }, () => next++);
    services.set(id, { id, address: ipFromBytes(Uint8Array.of(10, 96, id >> 8, id)), port: 80, protocol: 6, scope: 'external', flags: 0, affinityTimeout: 0, pool: id, sourceRanges: [] });
    pools.set(id, { id, run });
    run.forEach((index) => backends.set(index, backend(id, index)));
  }
  for (let n = 0; n < spare; n++) free.push(next++);
  let life = 0;
  const replaceBackend = (id: number): RecordChanges => {
    const before = pools.get(id)?.run ?? new Uint32Array(0);
    const [gone = 0, index = 0] = [before[0], free.shift()];
    life++;
    free.push(gone);
    backends.delete(gone);
    backends.set(index, { ...backend(id, index), port: 1024 + (life % 60_000) });
    pools.set(id, { id, run: Uint32Array.of(...before.subarray(1), index) });
    return { services: [], pools: [id], backends: [gone, index] };
  };
  return { records: { services, pools, backends }, replaceBackend };
}

function backend(pool: number, index: number): BackendRecord {
  return { index, pool, address: ipFromBytes(Uint8Array.of(10, 128 + (index >> 16), index >> 8, index)), port: 8080, protocol: 6, state: 'active', zone: 0 };
}
