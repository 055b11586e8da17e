import type { IpAddress } from '@cilium-ts/core';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';

/**
 * Brings the wildcards that a service holds in line with its frontends: one per ClusterIP and LoadBalancer address,
 * shared by all services of the address; never for the node's own, whose other ports are the node's business. Returns
 * whether there was room for all.
 */
export function holdWildcards(state: ServiceState, shared: Shared): boolean {
  const wanted = wantedBy(state, shared);
  for (const text of state.wildcards) if (!wanted.some((address) => address.text === text)) release(text, shared);
  const held = wanted.filter((address) => state.wildcards.includes(address.text) || hold(address, shared));
  state.wildcards = held.map(({ text }) => text);
  return held.length === wanted.length;
}

function wantedBy({ service, held }: ServiceState, { nodeAddresses }: Shared): readonly IpAddress[] {
  const wanted: IpAddress[] = [];
  if (!service.wildcard) return wanted;
  for (const { planned } of held.values()) {
    const { kind, address } = planned.frontend;
    if ((kind !== 'ClusterIP' && kind !== 'LoadBalancer') || nodeAddresses.has(address.text)) continue;
    if (!wanted.some(({ text }) => text === address.text)) wanted.push(address);
  }
  return wanted;
}

/** Identifies the wildcard of an address among the frontends. */
export function wildcardKey(address: string): string {
  return `${address}|0|0`;
}

function hold(address: IpAddress, { wildcards, wildcardIds, byFrontend, store, settings }: Shared): boolean {
  const { text } = address;
  const known = wildcards.get(text);
  if (known !== undefined) {
    known.holders++;
    return true;
  }
  const id = byFrontend.size >= settings.limits.frontends ? undefined : wildcardIds.take();
  if (id === undefined) return false;
  wildcards.set(text, { id, holders: 1 });
  byFrontend.set(wildcardKey(text), id);
  store.putService({ id, address, port: 0, protocol: 0, scope: 'external', flags: 0, affinityTimeout: 0, pool: 0, sourceRanges: [] });
  return true;
}

function release(text: string, shared: Shared): void {
  const known = shared.wildcards.get(text);
  if (known === undefined || --known.holders > 0) return;
  shared.wildcards.delete(text);
  shared.byFrontend.delete(wildcardKey(text));
  shared.wildcardIds.release(known.id);
  shared.store.deleteService(known.id);
  shared.freed = true;
}
