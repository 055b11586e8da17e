import type { Cidr, IpAddress } from '@cilium-ts/core';

/** Which of two frontends of one address: for everybody, or for clients inside the cluster where both exist. */
export type Scope = 'external' | 'internal';

/** One frontend as the kernel has it (`struct frontend_key`, `struct service`). */
export interface ServiceRecord {
  /**
   * 1–65535, the "rev-NAT id". Wildcards have ids from {@link WILDCARD_IDS} on, which the kernel never sees: their
   * frontend leads to `SERVICE_WILDCARD`, and there is no service behind it.
   */
  readonly id: number;
  /** `0.0.0.0` or `::`: every address of the node. */
  readonly address: IpAddress;
  /** 0 in a wildcard. */
  readonly port: number;
  /** 6, 17 or 132; 0 in a wildcard, which stands for every other port of the address. */
  readonly protocol: number;
  readonly scope: Scope;
  /** Bits of {@link SERVICE_FLAGS}. */
  readonly flags: number;
  /** Seconds; 0 without session affinity. */
  readonly affinityTimeout: number;
  /** Id of the pool whose backends it has; 0 in a wildcard. */
  readonly pool: number;
  /** Prefixes of the address' family that flag `SOURCE_RANGE` speaks of. */
  readonly sourceRanges: readonly Cidr[];
}

/** The backends that one or several frontends choose from, in the form from which they choose. */
export interface PoolRecord {
  readonly id: number;
  /** Indexes of backends: a weighted sequence or a Maglev table; empty: no backend. Never changed in place. */
  readonly run: Uint32Array;
}

/** One backend of one pool (`struct backend`). */
export interface BackendRecord {
  /** 1–131071. */
  readonly index: number;
  readonly pool: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly state: 'active' | 'terminating' | 'quarantined' | 'maintenance';
  /** Number of its zone, 0 for none. */
  readonly zone: number;
}

/** Everything that the kernel's maps shall hold. */
export interface LoadBalancerRecords {
  readonly services: ReadonlyMap<number, ServiceRecord>;
  readonly pools: ReadonlyMap<number, PoolRecord>;
  readonly backends: ReadonlyMap<number, BackendRecord>;
}

/** Ids whose record came, changed or went (then it is not in the records any more). */
export interface RecordChanges {
  readonly services: ReadonlySet<number>;
  readonly pools: ReadonlySet<number>;
  readonly backends: ReadonlySet<number>;
}

/** First id of wildcard records. */
export const WILDCARD_IDS = 0x10000;

/** `enum service_flag` of the datapath (bpf/lib/services.h). */
export const SERVICE_FLAGS = {
  EXTERNAL_IP: 1,
  NODE_PORT: 2,
  EXTERNAL_LOCAL: 4,
  HOST_PORT: 8,
  AFFINITY: 16,
  LOAD_BALANCER: 32,
  ROUTABLE: 64,
  SOURCE_RANGE: 128,
  LOCAL_REDIRECT: 256,
  INTERNAL_LOCAL: 4096,
  TWO_SCOPES: 8192,
  SOURCE_DENY: 16384,
  DSR: 32768,
  MAGLEV: 65536,
} as const;
