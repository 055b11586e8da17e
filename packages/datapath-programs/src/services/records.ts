import type { Cidr, IpAddress } from '@cilium-ts/core';

/** One frontend, and what it leads to. */
export interface ServiceRecord {
  /** 1–65535; of a wildcard (port and protocol 0) any number that no other record has: the kernel never sees it. */
  readonly id: number;
  /** `0.0.0.0` or `::`: every address of the node. */
  readonly address: IpAddress;
  readonly port: number;
  /** IP protocol: 6, 17, 132; 0 with port 0: any other port of the address, which is refused. */
  readonly protocol: number;
  readonly scope: 'external' | 'internal';
  /** SERVICE_FLAG bits. */
  readonly flags: number;
  /** Seconds. */
  readonly affinityTimeout: number;
  /** Whose run is used; 0: none. */
  readonly pool: number;
  /** Prefixes that SERVICE_FLAG.SOURCE_RANGE is about. Those of the other address family are passed over. */
  readonly sourceRanges: readonly Cidr[];
}

/** The order in which a pool's backends are chosen. */
export interface PoolRecord {
  /** From 1 up. Never given to another pool while any program may know it: what services remember of clients goes by it. */
  readonly id: number;
  /** Indexes of backends of this pool. Not to be changed after it was handed over. */
  readonly run: Uint32Array;
}

/** One backend of one pool. */
export interface BackendRecord {
  readonly index: number;
  readonly pool: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly state: 'active' | 'terminating' | 'quarantined' | 'maintenance';
  readonly zone: number;
}

/** All services, pools and backends that should be. */
export interface ServiceRecords {
  readonly services: ReadonlyMap<number, ServiceRecord>;
  readonly pools: ReadonlyMap<number, PoolRecord>;
  readonly backends: ReadonlyMap<number, BackendRecord>;
}

/** Ids and indexes whose record came, went or became another. */
export interface RecordChanges {
  readonly services: Iterable<number>;
  readonly pools: Iterable<number>;
  readonly backends: Iterable<number>;
}

/** What apply() brings the kernel to. */
export interface DesiredServices {
  readonly records: ServiceRecords;
  /** What differs from the records of the call before; leave out to have everything compared. */
  readonly changed?: RecordChanges;
  /** Addresses on which frontends of "every address of the node" answer. */
  readonly nodeAddresses: readonly IpAddress[];
}

/** What has no room, by the map that is full. */
export type ServiceFailureReason = 'services-full' | 'backends-full' | 'runs-full' | 'source-ranges-full';

/**
 * What the service has instead: it is `not-published`; it `kept` what it had before; `reduced`: each backend that found
 * room is chosen as often as any other, whatever the weights; `no-backends`: it refuses connections.
 */
export type ServiceFailureEffect = 'not-published' | 'kept' | 'reduced' | 'no-backends';

/** A service that could not be brought to its desired state. Tried again as soon as there is room. */
export interface ServiceFailure {
  readonly id: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly scope: 'external' | 'internal';
  readonly reason: ServiceFailureReason;
  readonly effect: ServiceFailureEffect;
  readonly message: string;
}

/** A backend that has gone: flows and sockets that remember this generation have lost it. */
export interface EndedBackend {
  readonly record: BackendRecord;
  readonly generation: number;
}

/** The outcome of an apply(). */
export interface ServiceApplyReport {
  /** Was anything written? */
  readonly changed: boolean;
  /** All failures that stand, those of earlier calls included. */
  readonly failures: readonly ServiceFailure[];
  readonly ended: readonly EndedBackend[];
  /**
   * Services whose source ranges have become others, or, of the first call and after a failure, may have: connections of
   * clients that they refuse now may be open.
   */
  readonly guarded: readonly ServiceRecord[];
}

/** What lay in the kernel when the writer was opened: to give the same things the same numbers again. */
export interface RestoredServices {
  /** By id, without wildcards. */
  readonly services: ReadonlyMap<number, ServiceRecord>;
  /** By index. */
  readonly backends: ReadonlyMap<number, BackendRecord>;
}

/** A service's frontend as text: no two services have the same. */
export function frontendText({ address, port, protocol, scope }: Pick<ServiceRecord, 'address' | 'port' | 'protocol' | 'scope'>): string {
  return `${address.text} ${port} ${protocol} ${scope}`;
}

/** Whether a record stands for all other ports of its address. */
export function isWildcard({ port, protocol }: Pick<ServiceRecord, 'port' | 'protocol'>): boolean {
  return port === 0 && protocol === 0;
}
