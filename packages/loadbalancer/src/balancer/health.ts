import type { IpAddress } from '@cilium-ts/core';
import type { Protocol } from '../model/protocol.ts';

/** A backend as a prober knows it: it may serve several services. */
export interface BackendAddress {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Which backends fail their probes. */
export interface HealthBook {
  isUnhealthy(address: string, port: number, protocol: Protocol): boolean;
  /** Returns whether that is news. */
  set(backend: BackendAddress, healthy: boolean): boolean;
}

/** A book in which everybody is well. */
export function createHealthBook(): HealthBook {
  const unhealthy = new Set<string>();
  const keyOf = (address: string, port: number, protocol: Protocol): string => `${address}|${port}|${protocol}`;
  return {
    // Asked for every backend: no text is made as long as all are well.
    isUnhealthy: (address, port, protocol) => unhealthy.size > 0 && unhealthy.has(keyOf(address, port, protocol)),
    set({ address, port, protocol }, healthy) {
      const key = keyOf(address.text, port, protocol);
      if (healthy) return unhealthy.delete(key);
      const news = !unhealthy.has(key);
      unhealthy.add(key);
      return news;
    },
  };
}
