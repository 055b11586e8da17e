import type { EndpointSlice, HealthProbe, LoadBalancer } from '@cilium-ts/loadbalancer';
import { isDeepStrictEqual } from 'node:util';
import type { LocalEndpoints } from './local-endpoints.ts';
import { NO_OBJECTS, OBJECT_KINDS } from './service-objects.ts';
import type { ObjectKind, ServiceObjects } from './service-objects.ts';
import type { ServiceReferences } from './service-references.ts';
import type { ServiceEvents } from './services.ts';

/** What takes the objects: the part of the load balancer's model that sources push to. */
export type ObjectSink = Pick<LoadBalancer, 'upsertService' | 'removeService' | 'setEndpoints' | 'removeEndpoints' | 'setPod' | 'removePod' | 'setRedirect' | 'removeRedirect'>;

/** The objects of all sources, by key. Tells the model what changes, and nothing else. */
export interface ObjectTable {
  /**
   * Makes the objects of these sources the given ones; undefined: it has none any more. What moves from one source to
   * another in one update does not change. A key belongs to one source at a time; sources see to that.
   */
  update(changes: ReadonlyMap<string, ServiceObjects | undefined>): void;
  /** Pushes the slices with these keys again: what they are turned into may have changed. */
  refresh(slices: Iterable<string>): void;
  /** Services whose backends are to be probed. */
  probed(): Iterable<readonly [string, HealthProbe]>;
  /** The source of an object. */
  sourceOf(key: string): string | undefined;
  /** Services that came, changed and went since the start. */
  readonly events: ServiceEvents;
}

type ObjectOf<K extends ObjectKind> = ServiceObjects[K] extends ReadonlyMap<string, infer T> ? T : never;

const withoutPlace = <T>(object: T & { readonly at?: unknown }): unknown => ({ ...object, at: undefined });
const same = (a: object | undefined, b: object): boolean => a === b || (a !== undefined && isDeepStrictEqual(withoutPlace(a), withoutPlace(b)));

type Push = { readonly [K in ObjectKind]: { put(key: string, object: ObjectOf<K>): void; remove(key: string): void } };

/** How each kind of object is pushed, and what is counted and remembered of it on the way. */
const createPush = ({ sink, local, references }: ObjectTableDeps, isKnown: (key: string) => boolean) => {
  const events = { add: 0, update: 0, delete: 0 };
  const probed = new Map<string, HealthProbe>();
  const push: Push = {
    services: {
      put(key, service) {
        events[isKnown(key) ? 'update' : 'add']++;
        if (service.healthCheck) probed.set(key, service.healthCheck);
        else probed.delete(key);
        references.putService(key, service);
        sink.upsertService(key, service);
      },
      remove(key) {
        events.delete++;
        probed.delete(key);
        references.removeService(key);
        sink.removeService(key);
      },
    },
    slices: {
      put(key, slice) {
        references.putSlice(key, slice);
        sink.setEndpoints(key, local.localise(slice, key));
      },
      remove(key) {
        references.removeSlice(key);
        local.forget(key);
        sink.removeEndpoints(key);
      },
    },
    pods: { put: (key, pod) => { sink.setPod(key, pod); }, remove: (key) => { sink.removePod(key); } },
    redirects: { put: (key, redirect) => { sink.setRedirect(key, redirect); }, remove: (key) => { sink.removeRedirect(key); } },
  };
  return { push, events, probed };
};

/** What a table pushes to. */
export interface ObjectTableDeps {
  readonly sink: ObjectSink;
  /** What slices become on their way to the sink. */
  readonly local: Pick<LocalEndpoints, 'localise' | 'forget'>;
  /** Is told of services and slices as their sources have them. */
  readonly references: Omit<ServiceReferences, 'settle'>;
}

/** An empty table. */
export const createObjectTable = (deps: ObjectTableDeps): ObjectTable => {
  const sources = new Map<string, ServiceObjects>();
  const owners = new Map<string, string>();
  const { push, events, probed } = createPush(deps, (key) => owners.has(key));

  const find = (kind: ObjectKind, key: string): object | undefined => sources.get(owners.get(key) ?? '')?.[kind].get(key);
  const putChanged = <K extends ObjectKind>(kind: K, objects: ServiceObjects): void => {
    for (const [key, object] of objects[kind] as ReadonlyMap<string, ObjectOf<K>>) if (!same(find(kind, key), object as object)) push[kind].put(key, object);
  };

  return {
    update(changes) {
      const gone: [ObjectKind, string][] = [];
      const next = [...changes].map(([source, objects]) => [source, objects ?? NO_OBJECTS, sources.get(source) ?? NO_OBJECTS] as const);
      for (const kind of OBJECT_KINDS) {
        for (const [, objects] of next) putChanged(kind, objects);
        for (const [source, objects, before] of next) for (const key of before[kind].keys()) if (owners.get(key) === source && !objects[kind].has(key)) gone.push([kind, key]);
      }
      for (const [, key] of gone) owners.delete(key);
      for (const [source, objects] of next) {
        for (const kind of OBJECT_KINDS) for (const key of objects[kind].keys()) owners.set(key, source);
        if (objects === NO_OBJECTS) sources.delete(source);
        else sources.set(source, objects);
      }
      for (const [kind, key] of gone) if (!owners.has(key)) push[kind].remove(key);
    },
    refresh(keys) {
      for (const key of keys) {
        const slice = find('slices', key);
        if (slice) deps.sink.setEndpoints(key, deps.local.localise(slice as EndpointSlice, key));
      }
    },
    probed: () => probed,
    sourceOf: (key) => owners.get(key),
    events,
  };
};
