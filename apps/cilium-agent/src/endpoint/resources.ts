import type { Cidr, IpAddress } from '@cilium-ts/core';
import { createAddressPool } from '../allocate/address-pool.ts';
import type { AddressPool } from '../allocate/address-pool.ts';
import { createDensePool, createNumberPool } from '../allocate/number-pool.ts';
import type { NumberPool } from '../allocate/number-pool.ts';
import { AgentError } from '../error.ts';

/** Numbers and addresses that endpoints take, each from its pool. */
export interface EndpointResources {
  readonly ids: NumberPool;
  readonly slots: NumberPool;
  readonly devices: NumberPool;
  readonly ipv4: AddressPool | undefined;
  readonly ipv6: AddressPool | undefined;
}

/** What the pools hold. */
export interface ResourceOptions {
  readonly maxEndpoints: number;
  readonly ipv4Range: Cidr | undefined;
  readonly ipv6Range: Cidr | undefined;
}

/** Largest endpoint id (Cilium's, and what two bytes of an event hold). */
const MAX_ID = 65_535;
/** Indexes that the agent gives to devices: above what the kernel gives by itself, below the size of the device array. */
export const DEVICE_INDEXES = { first: 10_000, last: 65_535 } as const;

/** Full pools. */
export const createEndpointResources = (options: ResourceOptions): EndpointResources => ({
  ids: createNumberPool(1, MAX_ID),
  slots: createDensePool(0, options.maxEndpoints - 1),
  devices: createNumberPool(DEVICE_INDEXES.first, DEVICE_INDEXES.last),
  ipv4: options.ipv4Range && createAddressPool(options.ipv4Range),
  ipv6: options.ipv6Range && createAddressPool(options.ipv6Range),
});

/** A number of a pool. Throws AgentError `exhausted`. */
export const takeNumber = (pool: NumberPool, what: string): number => {
  const number = pool.take();
  if (number === undefined) throw new AgentError('exhausted', `create endpoint: all ${pool.taken} ${what} are in use`);
  return number;
};

/** The address asked for, or a free one. Throws AgentError `conflict` naming who has it, or `exhausted`. */
export const takeAddress = (pool: AddressPool | undefined, wanted: IpAddress | undefined, owner: string): IpAddress | undefined => {
  if (!pool) return undefined;
  if (wanted) {
    const other = pool.reserve(wanted, owner);
    if (other !== undefined) throw new AgentError('conflict', `create endpoint: the address ${wanted.text} is taken by ${other}`);
    return wanted;
  }
  const address = pool.take(owner);
  if (!address) throw new AgentError('exhausted', `create endpoint: no address of ${pool.range.text} is free`);
  return address;
};
