import { addressBits, cidrAddress, cidrContains, cidrSize } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';

/** Hands out the addresses of a prefix, and keeps account of others that are in use. */
export interface AddressPool {
  readonly range: Cidr;
  /** A free address; undefined if the range is used up. Goes round the range, so that an address given back rests. */
  take(owner: string): IpAddress | undefined;
  /** Takes this very address, in the range or not. Returns who has it already, or undefined if it was free. */
  reserve(address: IpAddress, owner: string): string | undefined;
  release(address: IpAddress): void;
  ownerOf(address: IpAddress): string | undefined;
  /** Addresses in use with their owners. */
  entries(): Iterable<readonly [address: string, owner: string]>;
  readonly capacity: bigint;
}

/** A range larger than this is searched in its first part only: 16 million addresses are enough for a node. */
const SEARCHED = 1n << 24n;

/**
 * A pool of the addresses of `range`. The network address and, for IPv4, the broadcast address are never given out
 * unless the range is too small to spare them.
 */
export const createAddressPool = (range: Cidr): AddressPool => {
  const size = cidrSize(range);
  const small = range.prefixLength >= addressBits(range.family) - 1;
  const first = small ? 0n : 1n;
  const last = (small || range.family === 6 ? size : size - 1n) - 1n;
  const capacity = last - first + 1n;
  const searched = capacity < SEARCHED ? capacity : SEARCHED;
  const owners = new Map<string, string>();
  let inRange = 0n;
  let offset = 0n;
  return {
    range,
    capacity,
    take(owner) {
      if (inRange >= searched) return undefined;
      for (let tried = 0n; tried < searched; tried++) {
        const address = cidrAddress(range, first + offset);
        offset = (offset + 1n) % searched;
        if (owners.has(address.text)) continue;
        owners.set(address.text, owner);
        inRange++;
        return address;
      }
      return undefined;
    },
    reserve(address, owner) {
      const before = owners.get(address.text);
      if (before !== undefined) return before;
      owners.set(address.text, owner);
      if (cidrContains(range, address)) inRange++;
      return undefined;
    },
    release(address) {
      if (owners.delete(address.text) && cidrContains(range, address)) inRange--;
    },
    ownerOf: (address) => owners.get(address.text),
    entries: () => owners,
  };
};
