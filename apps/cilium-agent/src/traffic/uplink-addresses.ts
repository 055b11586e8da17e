import type { IpAddress } from '@cilium-ts/core';
import type { Address } from '@cilium-ts/netlink';

const UNUSABLE = ['tentative', 'dad-failed', 'deprecated'] as const;

/**
 * The address that a device gives to what it translates: its first of global scope that is in use, a lasting one before a
 * temporary one, as the kernel prefers for sockets that accept connections. Undefined: it has none of this family.
 */
export const sourceAddress = (addresses: readonly Address[], link: number, family: 4 | 6): IpAddress | undefined => {
  const usable = addresses.filter((each) => each.link === link && each.address.family === family && each.scope === 'global' && !UNUSABLE.some((flag) => each.flags.has(flag)));
  return (usable.find(({ flags }) => !flags.has('secondary')) ?? usable[0])?.address;
};
