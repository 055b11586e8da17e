import type { EndpointSlice } from '../model/endpoints.ts';
import type { LoadBalancerProblem } from '../plan/problem.ts';
import { problemOf } from '../plan/problem.ts';
import { buildService, planService, refreshService, releaseLost, withdrawService } from './build.ts';
import { findingsOf } from './findings.ts';
import type { ServiceState } from './service-state.ts';
import { createServiceState } from './service-state.ts';
import type { Service } from '../model/service.ts';
import { serviceName } from '../model/service.ts';
import type { Shared } from './shared.ts';

/** The services and slices of a balancer. Changes are noted and worked out by {@link Registry.flush}. */
export interface Registry {
  readonly states: ReadonlyMap<string, ServiceState>;
  upsertService(key: string, service: Service, priority?: number): void;
  removeService(key: string): void;
  setEndpoints(key: string, slice: EndpointSlice): void;
  removeEndpoints(key: string): void;
  /** Notes that backends of the service may have changed. */
  touchEndpoints(state: ServiceState): void;
  /** Notes that all frontends must be looked at again. */
  touchAll(): void;
  /** Services of that `namespace/name`. */
  named(name: string): Iterable<ServiceState>;
  /** Brings the records in line with everything noted. */
  flush(): void;
  /** Of all services, or of one. */
  problems(key?: string): readonly LoadBalancerProblem[];
}

interface Group {
  readonly slices: Map<string, EndpointSlice>;
  readonly states: Set<ServiceState>;
}

/** A registry over the shared records. */
export function createRegistry(shared: Shared): Registry {
  return new ServiceRegistry(shared);
}

class ServiceRegistry implements Registry {
  readonly states = new Map<string, ServiceState>();
  readonly #shared: Shared;
  readonly #groups = new Map<string, Group>();
  /** Name of the service that a slice is of, by the slice's key. */
  readonly #sliceNames = new Map<string, string>();
  /** Frontends to be planned anew; records to be made anew; just backends to be looked at. */
  readonly #plan = new Set<ServiceState>();
  readonly #build = new Set<ServiceState>();
  readonly #refresh = new Set<ServiceState>();
  /** Services that lack something that others may give back. */
  readonly #starved = new Set<ServiceState>();

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  upsertService(key: string, service: Service, priority = 1): void {
    const old = this.states.get(key);
    const group = this.#group(serviceName(service));
    const state = createServiceState(key, service, group.slices, priority);
    if (old !== undefined) this.#replace(old, state);
    this.states.set(key, state);
    group.states.add(state);
    this.#plan.add(state);
  }

  removeService(key: string): void {
    const state = this.states.get(key);
    if (state === undefined) return;
    this.states.delete(key);
    withdrawService(state, this.#shared, this.#build);
    releaseLost(state, this.#shared);
    this.#forget(state);
    this.#dropGroup(state.name);
  }

  setEndpoints(key: string, slice: EndpointSlice): void {
    const name = `${slice.namespace}/${slice.service}`;
    const before = this.#sliceNames.get(key);
    if (before !== undefined && before !== name) this.removeEndpoints(key);
    this.#sliceNames.set(key, name);
    const group = this.#group(name);
    group.slices.set(key, slice);
    for (const state of group.states) this.#refresh.add(state);
  }

  removeEndpoints(key: string): void {
    const name = this.#sliceNames.get(key);
    if (name === undefined) return;
    this.#sliceNames.delete(key);
    const group = this.#group(name);
    group.slices.delete(key);
    for (const state of group.states) this.#refresh.add(state);
    this.#dropGroup(name);
  }

  touchEndpoints(state: ServiceState): void {
    this.#refresh.add(state);
  }

  touchAll(): void {
    for (const state of this.states.values()) this.#plan.add(state);
  }

  named(name: string): Iterable<ServiceState> {
    return this.#groups.get(name)?.states ?? [];
  }

  flush(): void {
    const build = new Set([...this.#plan, ...this.#build]);
    for (const state of this.#plan) planService(state, this.#shared, build);
    // First everything is given back, so that nobody is refused for what is about to become free.
    for (const state of build) releaseLost(state, this.#shared);
    for (const state of build) this.#settle(state, buildService);
    for (const state of this.#refresh) if (!build.has(state)) this.#settle(state, refreshService);
    for (const set of [this.#plan, this.#build, this.#refresh]) set.clear();
    this.#shared.departing.releaseAll();
    this.#feed();
  }

  problems(key?: string): readonly LoadBalancerProblem[] {
    const one = key === undefined ? undefined : this.states.get(key);
    const states = key === undefined ? [...this.states.values()] : one === undefined ? [] : [one];
    return states.flatMap((state) => findingsOf(state, this.#shared).map((finding) => problemOf(state.key, state.service, finding)));
  }

  /** The new state takes over what the old one holds, so that what has not changed keeps its ids. */
  #replace(old: ServiceState, state: ServiceState): void {
    withdrawService(old, this.#shared, this.#build);
    if (old.name === state.name && old.priority === state.priority) {
      for (const [key, held] of old.held) state.held.set(key, held);
      for (const [key, pool] of old.pools) state.pools.set(key, pool);
      state.wildcards = old.wildcards;
    } else {
      releaseLost(old, this.#shared);
    }
    this.#forget(old);
  }

  #forget(state: ServiceState): void {
    this.#groups.get(state.name)?.states.delete(state);
    for (const set of [this.#plan, this.#build, this.#refresh, this.#starved]) set.delete(state);
  }

  #settle(state: ServiceState, step: (state: ServiceState, shared: Shared) => void): void {
    step(state, this.#shared);
    if (this.#lacks(state)) this.#starved.add(state);
    else this.#starved.delete(state);
  }

  /** Tries those again that lack something, as soon as others have given back something. */
  #feed(): void {
    if (!this.#shared.freed) return;
    this.#shared.freed = false;
    for (const state of [...this.#starved]) this.#settle(state, buildService);
  }

  #lacks(state: ServiceState): boolean {
    const short = ({ code }: { readonly code: string }): boolean => code.endsWith('-full');
    return state.recordFindings.some(short) || [...state.pools.values()].some(({ findings }) => findings.some(short));
  }

  #group(name: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, (group = { slices: new Map(), states: new Set() }));
    return group;
  }

  #dropGroup(name: string): void {
    const group = this.#groups.get(name);
    if (group !== undefined && group.slices.size === 0 && group.states.size === 0) this.#groups.delete(name);
  }
}
