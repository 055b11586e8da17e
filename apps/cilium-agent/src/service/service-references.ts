import { serviceName } from '@cilium-ts/loadbalancer';
import type { EndpointSlice, Service } from '@cilium-ts/loadbalancer';
import type { PolicyDirectory } from '@cilium-ts/policy-model';
import { API_NAMESPACE } from './api-services.ts';

/**
 * What policies may refer to of services: follows the objects of all sources, and tells the directory of what changed.
 * Services given over the API are none of it: no rule can name them.
 */
export interface ServiceReferences {
  putService(key: string, service: Service): void;
  removeService(key: string): void;
  putSlice(key: string, slice: EndpointSlice): void;
  removeSlice(key: string): void;
  /** Tells the directory; true if some rule may mean something else now. */
  settle(): boolean;
}

/** Follows services from the first one on. */
export const createServiceReferences = (directory: Pick<PolicyDirectory, 'setService' | 'removeService' | 'referencesRevision'>): ServiceReferences => {
  const services = new Map<string, Service>();
  const nameOf = new Map<string, string>();
  const slices = new Map<string, EndpointSlice>();
  const slicesOf = new Map<string, Set<string>>();
  /** Services to look at again, by name. */
  const touched = new Map<string, { readonly namespace: string; readonly name: string }>();
  const touch = (namespace: string, name: string): void => { touched.set(serviceName({ namespace, name }), { namespace, name }); };

  const removeSlice = (key: string): void => {
    const slice = slices.get(key);
    if (!slice) return;
    slices.delete(key);
    const name = serviceName({ namespace: slice.namespace, name: slice.service });
    const keys = slicesOf.get(name);
    keys?.delete(key);
    if (keys?.size === 0) slicesOf.delete(name);
    touch(slice.namespace, slice.service);
  };
  const removeService = (key: string): void => {
    const name = nameOf.get(key);
    const service = name === undefined ? undefined : services.get(name);
    nameOf.delete(key);
    if (name === undefined || !service) return;
    services.delete(name);
    touch(service.namespace, service.name);
  };
  /** Every address that its slices list: connections go on to those that take no new ones. */
  const addressesOf = (name: string) => [...(slicesOf.get(name) ?? [])].flatMap((key) => slices.get(key)?.endpoints ?? []).flatMap(({ addresses }) => addresses);

  return {
    putService(key, service) {
      if (service.namespace === API_NAMESPACE) return;
      removeService(key);
      nameOf.set(key, serviceName(service));
      services.set(serviceName(service), service);
      touch(service.namespace, service.name);
    },
    removeService,
    putSlice(key, slice) {
      if (slice.namespace === API_NAMESPACE) return;
      removeSlice(key);
      const name = serviceName({ namespace: slice.namespace, name: slice.service });
      slices.set(key, slice);
      slicesOf.set(name, (slicesOf.get(name) ?? new Set()).add(key));
      touch(slice.namespace, slice.service);
    },
    removeSlice,
    settle() {
      const before = directory.referencesRevision;
      for (const [key, { namespace, name }] of touched) {
        const service = services.get(key);
        if (!service) directory.removeService(namespace, name);
        else if (service.selector) directory.setService({ namespace, name, selector: service.selector, ...(service.labels && { labels: service.labels }) });
        else directory.setService({ namespace, name, addresses: addressesOf(key), ...(service.labels && { labels: service.labels }) });
      }
      touched.clear();
      return directory.referencesRevision !== before;
    },
  };
};
