import type { Pod } from '../model/pod.ts';
import type { LocalRedirect } from '../model/redirect.ts';
import type { Settings } from '../plan/options.ts';
import type { LoadBalancerProblem } from '../plan/problem.ts';
import { problemOf } from '../plan/problem.ts';
import type { DerivedService } from './derived.ts';
import { hostPortService, redirectService } from './derived.ts';
import type { Registry } from './registry.ts';

/** Keeps the services that pods and local redirect policies make. */
export interface DerivedServices {
  setPod(key: string, pod: Pod): void;
  removePod(key: string): void;
  setRedirect(key: string, redirect: LocalRedirect): void;
  removeRedirect(key: string): void;
  /** Notes that a service of that `namespace/name` came, changed or went. */
  serviceChanged(name: string): void;
  /** Hands the services that changed to the registry. */
  flush(): void;
  problems(): readonly LoadBalancerProblem[];
}

/** The services that are derived from pods and policies, in `registry`. */
export function createDerivedServices(registry: Registry, settings: Settings): DerivedServices {
  return new Derivation(registry, settings);
}

interface Derived extends DerivedService {
  readonly sliceCount: number;
}

class Derivation implements DerivedServices {
  readonly #registry: Registry;
  readonly #settings: Settings;
  readonly #pods = new Map<string, Pod>();
  readonly #redirects = new Map<string, LocalRedirect>();
  readonly #derived = new Map<string, Derived>();
  #stale = false;

  constructor(registry: Registry, settings: Settings) {
    this.#registry = registry;
    this.#settings = settings;
  }

  setPod(key: string, pod: Pod): void {
    this.#pods.set(key, pod);
    this.#put(`pod:${key}`, hostPortService(pod, this.#settings), 1);
    this.#stale = true;
  }

  removePod(key: string): void {
    if (!this.#pods.delete(key)) return;
    this.#put(`pod:${key}`, undefined, 1);
    this.#stale = true;
  }

  setRedirect(key: string, redirect: LocalRedirect): void {
    this.#redirects.set(key, redirect);
    this.#stale = true;
  }

  removeRedirect(key: string): void {
    if (this.#redirects.delete(key)) this.#put(`redirect:${key}`, undefined, 0);
  }

  serviceChanged(name: string): void {
    for (const { frontend } of this.#redirects.values()) if (frontend.kind === 'service' && frontend.service === name) this.#stale = true;
  }

  flush(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const scene = { pods: [...this.#pods.values()], settings: this.#settings, clusterFrontends: (name: string) => this.#clusterFrontends(name) };
    for (const [key, redirect] of this.#redirects) this.#put(`redirect:${key}`, redirectService(redirect, scene), 0);
  }

  problems(): readonly LoadBalancerProblem[] {
    return [...this.#derived].flatMap(([key, { service, findings }]) => findings.map((finding) => problemOf(key, service, finding)));
  }

  #clusterFrontends(name: string) {
    const services = [...this.#registry.named(name)].map(({ service }) => service);
    return services.flatMap(({ frontends }) => frontends.filter(({ kind }) => kind === 'ClusterIP'));
  }

  #put(key: string, derived: DerivedService | undefined, priority: number): void {
    const before = this.#derived.get(key)?.sliceCount ?? 0;
    const count = derived?.slices.length ?? 0;
    for (let index = count; index < before; index++) this.#registry.removeEndpoints(`${key}#${index}`);
    if (derived === undefined) {
      this.#registry.removeService(key);
      this.#derived.delete(key);
      return;
    }
    this.#registry.upsertService(key, derived.service, priority);
    derived.slices.forEach((slice, index) => this.#registry.setEndpoints(`${key}#${index}`, slice));
    this.#derived.set(key, { ...derived, sliceCount: count });
  }
}

