import { cidrContains } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';
import type { Endpoint as Backend, EndpointSlice } from '@cilium-ts/loadbalancer';
import type { Endpoint } from '../endpoint/endpoint.ts';

/** Where endpoints of this node are looked up, and which addresses only they can have. */
export interface LocalEndpointsDeps {
  readonly nodeName: string;
  readonly byAddress: (ip: string) => Pick<Endpoint, 'device' | 'record'> | undefined;
  /** The node's pools. */
  readonly ranges: readonly Cidr[];
}

/** Makes slices say what this node knows better: how its own endpoints are. */
export interface LocalEndpoints {
  /**
   * An endpoint of this node is on this node, and takes no new connections while its device is down or it is being made or
   * deleted. An address of the node's pools that no endpoint has is left out.
   */
  localise(slice: EndpointSlice, key: string): EndpointSlice;
  /** Forgets a slice. */
  forget(key: string): void;
  /** Keys of the slices that name any of these addresses. */
  naming(addresses: Iterable<string>): Set<string>;
  /** Keys of the slices that name any address that is this node's to know about. */
  all(): readonly string[];
}

/** Follows slices from the first one on. */
export const createLocalEndpoints = ({ nodeName, byAddress, ranges }: LocalEndpointsDeps): LocalEndpoints => {
  const slicesOf = new Map<string, Set<string>>();
  const addressesOf = new Map<string, readonly string[]>();
  const isOwn = (ip: IpAddress): boolean => ranges.some((range) => cidrContains(range, ip));

  const forget = (key: string): void => {
    for (const address of addressesOf.get(key) ?? []) {
      const slices = slicesOf.get(address);
      slices?.delete(key);
      if (slices?.size === 0) slicesOf.delete(address);
    }
    addressesOf.delete(key);
  };

  const judge = (backend: Backend): readonly Backend[] => {
    const endpoints = backend.addresses.map((ip) => byAddress(ip.text));
    const addresses = backend.addresses.filter((ip, at) => endpoints[at] !== undefined || !isOwn(ip));
    const local = endpoints.find((endpoint) => endpoint !== undefined);
    if (addresses.length === 0) return [];
    if (!local) return addresses.length === backend.addresses.length ? [backend] : [{ ...backend, addresses }];
    const serves = local.device === 'up' && local.record.phase === 'ready';
    const state = backend.state === 'active' && !serves ? 'maintenance' : backend.state;
    return [{ ...backend, addresses, state, nodeName: backend.nodeName ?? nodeName }];
  };

  return {
    localise(slice, key) {
      forget(key);
      const own = slice.endpoints.flatMap(({ addresses }) => addresses.filter((ip) => isOwn(ip) || byAddress(ip.text) !== undefined).map(({ text }) => text));
      if (own.length === 0) return slice;
      addressesOf.set(key, own);
      for (const address of own) slicesOf.set(address, (slicesOf.get(address) ?? new Set()).add(key));
      return { ...slice, endpoints: slice.endpoints.flatMap(judge) };
    },
    forget,
    naming(addresses) {
      const found = new Set<string>();
      for (const address of addresses) for (const key of slicesOf.get(address) ?? []) found.add(key);
      return found;
    },
    all: () => [...addressesOf.keys()],
  };
};
