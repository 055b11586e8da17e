import type { EndpointSlice, LocalRedirect, ParsedServices, Pod, Service } from '@cilium-ts/loadbalancer';

/** What one source says, each object by its key `Kind/namespace/name`. */
export interface ServiceObjects {
  readonly services: ReadonlyMap<string, Service>;
  readonly slices: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly redirects: ReadonlyMap<string, LocalRedirect>;
}

/** The kinds of objects, in the order in which they are pushed: a service before its slices. */
export const OBJECT_KINDS = ['services', 'slices', 'pods', 'redirects'] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

/** Nothing. */
export const NO_OBJECTS: ServiceObjects = { services: new Map(), slices: new Map(), pods: new Map(), redirects: new Map() };

/** The objects of a file. */
export const objectsOf = ({ services, slices, pods, redirects }: ParsedServices): ServiceObjects => ({ services: byKey(services), slices: byKey(slices), pods: byKey(pods), redirects: byKey(redirects) });

const byKey = <T>(objects: readonly (T & { readonly key: string })[]): ReadonlyMap<string, T> => new Map(objects.map((object) => [object.key, object] as const));

/** Keys of all objects; no two objects have the same. */
export function* objectKeys(objects: ServiceObjects): Generator<string> {
  for (const kind of OBJECT_KINDS) yield* objects[kind].keys();
}
