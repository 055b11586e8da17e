import { poolCandidates, poolChoice } from '../balancer/pool.ts';
import type { HeldRecord, ServiceState } from '../balancer/service-state.ts';
import type { Shared } from '../balancer/shared.ts';
import { formatFrontend } from '../plan/frontend-plan.ts';
import type { EndpointState } from '../model/endpoints.ts';
import type { FrontendKind, TrafficPolicy } from '../model/service.ts';
import type { Scope } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';

/** A frontend's type in Cilium's API. */
export type ServiceViewType = Exclude<FrontendKind, 'ExternalIP'> | 'ExternalIPs';

/** A backend in Cilium's API. */
export interface BackendView {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
  readonly state: 'active' | 'terminating' | 'terminating-not-serving' | 'quarantined' | 'maintenance';
  readonly weight: number;
  /** Whether new connections may get it. */
  readonly preferred: boolean;
  readonly nodeName?: string;
  readonly zone?: string;
}

/** A service in Cilium's API (`ServiceSpec`): one per frontend and scope. */
export interface ServiceSpecView {
  /** 0: the frontend is not in force; `problems()` says why. */
  readonly id: number;
  readonly 'frontend-address': { readonly ip: string; readonly port: number; readonly protocol: string; readonly scope: Scope };
  readonly 'backend-addresses': readonly BackendView[];
  readonly flags: {
    readonly type: ServiceViewType;
    readonly name: string;
    readonly namespace: string;
    readonly extTrafficPolicy: TrafficPolicy;
    readonly intTrafficPolicy: TrafficPolicy;
    /** `SNAT` or `DSR`; absent where the client is never translated. */
    readonly natPolicy?: 'SNAT' | 'DSR';
    readonly healthCheckNodePort?: number;
  };
}

/** A frontend as lists show it. */
export interface ServiceView {
  /** Key that the service's source gave it. */
  readonly key: string;
  readonly spec: ServiceSpecView;
  /** Seconds; 0 without session affinity. */
  readonly affinityTimeout: number;
  readonly algorithm: 'random' | 'maglev';
  readonly sourceRanges: readonly string[];
  readonly sourceRangePolicy: 'allow' | 'deny';
}

/** The views of one service's frontends. */
export function viewService(state: ServiceState, shared: Shared): readonly ServiceView[] {
  const backends = new Map<number, readonly BackendView[]>();
  for (const pool of state.pools.values()) {
    const candidates = poolCandidates(pool, state, shared);
    const chosen = new Set(poolChoice(candidates, state, shared).chosen.map(({ key }) => key));
    const views = candidates.map(({ key, address, port, state: condition, weight, endpoint }): BackendView => {
      const { nodeName, zone } = endpoint;
      const place = { ...(nodeName === undefined ? {} : { nodeName }), ...(zone === undefined ? {} : { zone }) };
      const preferred = chosen.has(key) && pool.members.has(key);
      return { ip: address.text, port, protocol: pool.protocol, state: stateName(condition), weight, preferred, ...place };
    });
    backends.set(pool.id, views);
  }
  return [...Array.from(state.held.values(), (held) => viewRecord(held, state, backends.get(held.record.pool) ?? [])), ...viewMissing(state)];
}

/** Frontends that the service is to have and has not. */
function viewMissing(state: ServiceState): readonly ServiceView[] {
  const has = new Set(Array.from(state.held.values(), ({ planned }) => formatFrontend(planned.frontend)));
  const planned = state.planned.filter(({ scope }) => scope === 'external').map(({ frontend }) => frontend);
  const missing = new Map([...state.refused, ...planned].map((frontend) => [formatFrontend(frontend), frontend] as const).filter(([text]) => !has.has(text)));
  return Array.from(missing.values(), (frontend) => {
    const { kind, address, port, protocol } = frontend;
    const spec: ServiceSpecView = {
      id: 0,
      'frontend-address': { ip: address.text, port, protocol, scope: 'external' },
      'backend-addresses': [],
      flags: commonFlags(kind, state),
    };
    return { key: state.key, spec, affinityTimeout: 0, algorithm: 'random', sourceRanges: [], sourceRangePolicy: 'allow' };
  });
}

function commonFlags(kind: FrontendKind, { service }: ServiceState): ServiceSpecView['flags'] {
  return {
    type: kind === 'ExternalIP' ? 'ExternalIPs' : kind,
    name: service.name,
    namespace: service.namespace,
    extTrafficPolicy: service.externalTrafficPolicy,
    intTrafficPolicy: service.internalTrafficPolicy,
  };
}

function stateName(state: EndpointState): BackendView['state'] {
  return state === 'draining' ? 'terminating-not-serving' : state;
}

function viewRecord({ record, planned }: HeldRecord, state: ServiceState, backends: readonly BackendView[]): ServiceView {
  const { key, service } = state;
  const { kind, protocol } = planned.frontend;
  const { id, scope, flags, affinityTimeout } = record;
  const outside = kind === 'NodePort' || kind === 'LoadBalancer' || kind === 'ExternalIP';
  const spec: ServiceSpecView = {
    id,
    'frontend-address': { ip: record.address.text, port: record.port, protocol, scope },
    'backend-addresses': backends,
    flags: {
      ...commonFlags(kind, state),
      ...(outside ? { natPolicy: (flags & SERVICE_FLAGS.DSR) === 0 ? ('SNAT' as const) : ('DSR' as const) } : {}),
      ...(service.healthCheckNodePort === undefined ? {} : { healthCheckNodePort: service.healthCheckNodePort }),
    },
  };
  const algorithm = (flags & SERVICE_FLAGS.MAGLEV) === 0 ? 'random' : 'maglev';
  const sourceRanges = record.sourceRanges.map(({ text }) => text);
  return { key, spec, affinityTimeout, algorithm, sourceRanges, sourceRangePolicy: (flags & SERVICE_FLAGS.SOURCE_DENY) === 0 ? 'allow' : 'deny' };
}
