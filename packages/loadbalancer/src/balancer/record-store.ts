import type { BackendRecord, LoadBalancerRecords, PoolRecord, RecordChanges, ServiceRecord } from '../model/records.ts';

/** The records and what changed in them since they were last taken. */
export interface RecordStore {
  readonly records: LoadBalancerRecords;
  putService(record: ServiceRecord): void;
  putPool(record: PoolRecord): void;
  putBackend(record: BackendRecord): void;
  deleteService(id: number): void;
  deletePool(id: number): void;
  deleteBackend(index: number): void;
  /** The changes since the last call. */
  take(): RecordChanges;
}

/** A store without records. */
export function createRecordStore(): RecordStore {
  const services = createTable<ServiceRecord>();
  const pools = createTable<PoolRecord>();
  const backends = createTable<BackendRecord>();
  return {
    records: { services: services.rows, pools: pools.rows, backends: backends.rows },
    putService: (record) => services.put(record.id, record),
    putPool: (record) => pools.put(record.id, record),
    putBackend: (record) => backends.put(record.index, record),
    deleteService: (id) => services.delete(id),
    deletePool: (id) => pools.delete(id),
    deleteBackend: (index) => backends.delete(index),
    take: () => ({ services: services.take(), pools: pools.take(), backends: backends.take() }),
  };
}

interface Table<Row> {
  readonly rows: ReadonlyMap<number, Row>;
  put(id: number, row: Row): void;
  delete(id: number): void;
  take(): ReadonlySet<number>;
}

function createTable<Row>(): Table<Row> {
  const rows = new Map<number, Row>();
  let changed = new Set<number>();
  return {
    rows,
    put(id, row) {
      rows.set(id, row);
      changed.add(id);
    },
    delete(id) {
      if (rows.delete(id)) changed.add(id);
    },
    take() {
      const taken = changed;
      changed = new Set();
      return taken;
    },
  };
}
