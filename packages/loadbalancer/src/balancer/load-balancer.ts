import type { IpAddress } from '@cilium-ts/core';
import { LoadBalancerError } from '../error.ts';
import type { EndpointSlice } from '../model/endpoints.ts';
import type { Pod } from '../model/pod.ts';
import type { LoadBalancerRecords, RecordChanges } from '../model/records.ts';
import type { LocalRedirect } from '../model/redirect.ts';
import type { Service } from '../model/service.ts';
import { serviceName } from '../model/service.ts';
import type { LoadBalancerOptions } from '../plan/options.ts';
import { settingsOf } from '../plan/options.ts';
import type { LoadBalancerProblem } from '../plan/problem.ts';
import { compareProblems } from '../plan/problem.ts';
import type { Explanation } from '../select/explain.ts';
import { explainFlow } from '../select/explain.ts';
import type { Flow, Selection } from '../select/flow.ts';
import { selectBackend } from '../select/select.ts';
import type { ServiceHealthCheck } from '../view/health-checks.ts';
import { healthChecksOf } from '../view/health-checks.ts';
import type { ServiceView } from '../view/service-view.ts';
import { viewService } from '../view/service-view.ts';
import { checkService, checkSlice } from './check.ts';
import type { DerivedServices } from './derived-services.ts';
import { createDerivedServices } from './derived-services.ts';
import type { BackendAddress, HealthBook } from './health.ts';
import { createHealthBook } from './health.ts';
import type { Registry } from './registry.ts';
import { createRegistry } from './registry.ts';
import type { RestoredIds } from './restored-ids.ts';
import { createRestoredStore } from './restored-ids.ts';
import type { Shared } from './shared.ts';
import { createShared } from './shared.ts';

/**
 * The services of one node. Sources push what they know under keys of their choice, and may replace or remove it by the
 * same key; the records are what the kernel's maps shall hold. Reading works out what has been pushed since: pushes
 * are cheap, and the order in which they come does not matter.
 */
export interface LoadBalancer {
  /** Adds or replaces a service. Throws RangeError for values that no service can have (ports, time-outs). */
  upsertService(key: string, service: Service): void;
  removeService(key: string): void;
  /** Adds or replaces some endpoints of a service, which need not be known yet. */
  setEndpoints(key: string, slice: EndpointSlice): void;
  removeEndpoints(key: string): void;
  /** Adds or replaces a pod: what host ports and local redirect policies lead to. */
  setPod(key: string, pod: Pod): void;
  removePod(key: string): void;
  /** Adds or replaces a local redirect policy. */
  setRedirect(key: string, redirect: LocalRedirect): void;
  removeRedirect(key: string): void;
  /** What a probe found about a backend, in whichever services it is. */
  setHealth(backend: BackendAddress, state: 'active' | 'quarantined'): void;
  /** The node's own addresses: where NodePorts are, and whose other ports stay open. */
  setNodeAddresses(addresses: readonly IpAddress[]): void;
  /** Everything that the maps shall hold. The maps are live: read them before the next push. */
  records(): LoadBalancerRecords;
  /** What changed in the records since the last call, everything the first time. */
  take(): RecordChanges;
  /** What keeps services or parts of them from working, in the order of their keys; of one service when `key` is given. */
  problems(key?: string): readonly LoadBalancerProblem[];
  /** What the kernel does with a new flow; with session affinity, with that of a client that it does not remember. */
  select(flow: Flow): Selection;
  /** Why it does that. */
  explain(flow: Flow): Explanation;
  /** Frontends as lists show them, by id, last those that are not in force (id 0); of one service when `key` is given. */
  services(key?: string): readonly ServiceView[];
  /** Health checks that the node must answer. */
  healthChecks(): readonly ServiceHealthCheck[];
  /**
   * Ids found in the kernel, so that frontends and backends get those that they had. To be called before anything is
   * read; throws LoadBalancerError `restore-too-late` otherwise.
   */
  restore(ids: RestoredIds): void;
  /** Gives restored ids that nobody claimed back: call it when all sources have told what they know. */
  releaseUnclaimed(): void;
}

/** A load balancer without services. Throws TypeError or RangeError for options that make no sense. */
export function createLoadBalancer(options: LoadBalancerOptions): LoadBalancer {
  return new Balancer(options);
}

class Balancer implements LoadBalancer {
  readonly #health: HealthBook = createHealthBook();
  readonly #shared: Shared;
  readonly #registry: Registry;
  readonly #derived: DerivedServices;

  constructor(options: LoadBalancerOptions) {
    const settings = settingsOf(options);
    this.#shared = createShared(settings, this.#health.isUnhealthy);
    this.#registry = createRegistry(this.#shared);
    this.#derived = createDerivedServices(this.#registry, settings);
  }

  upsertService(key: string, service: Service): void {
    checkService(service);
    const before = this.#registry.states.get(key);
    if (before !== undefined) this.#derived.serviceChanged(before.name);
    this.#registry.upsertService(key, service);
    this.#derived.serviceChanged(serviceName(service));
  }

  removeService(key: string): void {
    const before = this.#registry.states.get(key);
    this.#registry.removeService(key);
    if (before !== undefined) this.#derived.serviceChanged(before.name);
  }

  setEndpoints(key: string, slice: EndpointSlice): void {
    checkSlice(slice);
    this.#registry.setEndpoints(key, slice);
  }

  removeEndpoints(key: string): void {
    this.#registry.removeEndpoints(key);
  }

  setPod(key: string, pod: Pod): void {
    this.#derived.setPod(key, pod);
  }

  removePod(key: string): void {
    this.#derived.removePod(key);
  }

  setRedirect(key: string, redirect: LocalRedirect): void {
    this.#derived.setRedirect(key, redirect);
  }

  removeRedirect(key: string): void {
    this.#derived.removeRedirect(key);
  }

  setHealth(backend: BackendAddress, state: 'active' | 'quarantined'): void {
    if (!this.#health.set(backend, state === 'active')) return;
    const member = `${backend.address.text}|${backend.port}`;
    for (const service of this.#registry.states.values()) {
      for (const pool of service.pools.values()) {
        if (pool.protocol === backend.protocol && pool.members.has(member)) this.#registry.touchEndpoints(service);
      }
    }
  }

  setNodeAddresses(addresses: readonly IpAddress[]): void {
    const texts = new Set(addresses.map(({ text }) => text));
    const before = this.#shared.nodeAddresses;
    if (texts.size === before.size && [...texts].every((text) => before.has(text))) return;
    this.#shared.nodeAddresses = texts;
    this.#registry.touchAll();
  }

  records(): LoadBalancerRecords {
    this.#flush();
    return this.#shared.store.records;
  }

  take(): RecordChanges {
    this.#flush();
    return this.#shared.store.take();
  }

  problems(key?: string): readonly LoadBalancerProblem[] {
    this.#flush();
    const derived = this.#derived.problems();
    const all = [...this.#registry.problems(key), ...(key === undefined ? derived : derived.filter((problem) => problem.key === key))];
    return all.sort(compareProblems);
  }

  select(flow: Flow): Selection {
    this.#flush();
    return selectBackend(flow, this.#shared);
  }

  explain(flow: Flow): Explanation {
    this.#flush();
    return explainFlow(flow, this.#shared, this.#registry.states.values());
  }

  services(key?: string): readonly ServiceView[] {
    this.#flush();
    const one = key === undefined ? undefined : this.#registry.states.get(key);
    const states = key === undefined ? [...this.#registry.states.values()] : one === undefined ? [] : [one];
    return states.flatMap((state) => viewService(state, this.#shared)).sort((a, b) => (a.spec.id || Infinity) - (b.spec.id || Infinity) || 0);
  }

  healthChecks(): readonly ServiceHealthCheck[] {
    return healthChecksOf(this.#registry.states.values(), this.#shared);
  }

  restore(ids: RestoredIds): void {
    const { serviceIds, backendIds, poolIds, store } = this.#shared;
    if (this.#shared.restored !== undefined || store.records.services.size > 0) {
      throw new LoadBalancerError('restore-too-late', 'restore: services have been given ids already; restore before anything is read');
    }
    // What does not fit the ranges is not ours; of two with one id the first counts.
    const services = ids.services.filter(({ id }) => serviceIds.takeExactly(id));
    const backends = ids.backends.filter(({ index }) => backendIds.takeExactly(index));
    for (const { pool } of [...services, ...backends]) poolIds.takeExactly(pool);
    this.#shared.restored = createRestoredStore({ services, backends });
  }

  releaseUnclaimed(): void {
    this.#flush();
    const rest = this.#shared.restored?.drop();
    if (rest === undefined) return;
    for (const id of rest.services) this.#shared.serviceIds.release(id);
    for (const id of rest.pools) this.#shared.poolIds.release(id);
    for (const index of rest.backends) this.#shared.backendIds.release(index);
    this.#shared.freed = true;
  }

  #flush(): void {
    this.#derived.flush();
    this.#registry.flush();
  }
}
