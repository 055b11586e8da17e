import type { EndpointSlice } from '../model/endpoints.ts';
import type { ServiceRecord } from '../model/records.ts';
import type { Service, ServiceFrontend } from '../model/service.ts';
import { serviceName } from '../model/service.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import type { Finding } from '../plan/problem.ts';
import type { Pool } from './pool.ts';

/** A record that a service has. */
export interface HeldRecord {
  record: ServiceRecord;
  readonly planned: PlannedRecord;
}

/** What the balancer knows of one service. */
export interface ServiceState {
  readonly key: string;
  /** `namespace/name`. */
  readonly name: string;
  readonly service: Service;
  /** 0 for redirects, which win every conflict, 1 for all else. */
  readonly priority: number;
  /** The slices of services of that name; shared with services of the same name. */
  readonly slices: ReadonlyMap<string, EndpointSlice>;
  /** What its frontends need, worked out anew when the service changes. */
  planned: readonly PlannedRecord[];
  /** Its frontends that this node can not have, whatever other services do. */
  refused: readonly ServiceFrontend[];
  /** Frontends that it claims, each once. Arrays here: most services have one, and there may be ten thousand. */
  claims: readonly string[];
  /** By scoped key. */
  readonly held: Map<string, HeldRecord>;
  /** By pool key. */
  readonly pools: Map<string, Pool>;
  /** Addresses that it holds a wildcard for. */
  wildcards: readonly string[];
  /** What is wrong with its plan. */
  planFindings: readonly Finding[];
  /** What went wrong when its records were made. */
  recordFindings: readonly Finding[];
}

/** A service that has no records yet. */
export function createServiceState(key: string, service: Service, slices: ReadonlyMap<string, EndpointSlice>, priority: number): ServiceState {
  return {
    key,
    name: serviceName(service),
    service,
    priority,
    slices,
    planned: [],
    refused: [],
    claims: [],
    held: new Map(),
    pools: new Map(),
    wildcards: [],
    planFindings: [],
    recordFindings: [],
  };
}
