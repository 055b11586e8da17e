import type { Protocol } from '../model/protocol.ts';
import { WILDCARD_IDS } from '../model/records.ts';
import type { Settings } from '../plan/options.ts';
import { MOST } from '../plan/options.ts';
import type { Claims } from './claims.ts';
import { createClaims } from './claims.ts';
import type { CyclicIds } from './cyclic-ids.ts';
import { createCyclicIds } from './cyclic-ids.ts';
import type { DepartingIds } from './departing-ids.ts';
import { createDepartingIds } from './departing-ids.ts';
import type { RecordStore } from './record-store.ts';
import { createRecordStore } from './record-store.ts';
import type { RestoredStore } from './restored-ids.ts';
import type { RunSpace } from './run.ts';
import { createRunSpace } from './run.ts';

/** What all services of a balancer share: the records, the ids, and the room in the maps. */
export interface Shared {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly claims: Claims;
  readonly serviceIds: CyclicIds;
  /** Of these: what frontends had that lost their service since the last flush. */
  readonly departing: DepartingIds;
  readonly wildcardIds: CyclicIds;
  readonly poolIds: CyclicIds;
  readonly backendIds: CyclicIds;
  readonly runs: RunSpace;
  /** Ids of records by scoped key. */
  readonly byFrontend: Map<string, number>;
  /** By address: the id of its wildcard, and how many services hold it. */
  readonly wildcards: Map<string, { readonly id: number; holders: number }>;
  /** Texts of the node's own addresses. */
  nodeAddresses: ReadonlySet<string>;
  /** Prefixes in all records together. */
  sourceRanges: number;
  /** Whether anything was given back since services that lack something were last tried. */
  freed: boolean;
  restored: RestoredStore | undefined;
  isUnhealthy(address: string, port: number, protocol: Protocol): boolean;
  /** A number for the zone, 1–255; 0 for none, and for the 256th. */
  zoneNumber(zone: string | undefined): number;
}

/** The shared part of an empty balancer. */
export function createShared(settings: Settings, isUnhealthy: Shared['isUnhealthy']): Shared {
  const { services, backends, runs } = settings.limits;
  const zones = new Map<string, number>();
  const serviceIds = createCyclicIds(1, MOST.services, services);
  return {
    settings,
    store: createRecordStore(),
    claims: createClaims(),
    serviceIds,
    departing: createDepartingIds(serviceIds),
    wildcardIds: createCyclicIds(WILDCARD_IDS, 2 * WILDCARD_IDS),
    // A pool has at least one frontend: sixteen times as many ids as there may be pools.
    poolIds: createCyclicIds(1, 0xfffff),
    // No higher than the limit: an index is a place in the kernel's map, which has just so many.
    backendIds: createCyclicIds(1, backends),
    runs: createRunSpace(runs),
    byFrontend: new Map(),
    wildcards: new Map(),
    nodeAddresses: new Set(),
    sourceRanges: 0,
    freed: false,
    restored: undefined,
    isUnhealthy,
    zoneNumber(zone) {
      if (zone === undefined || zone === '') return 0;
      const known = zones.get(zone);
      if (known !== undefined) return known;
      if (zones.size >= 255) return 0;
      zones.set(zone, zones.size + 1);
      return zones.size;
    },
  };
}
