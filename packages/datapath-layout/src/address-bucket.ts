import { ADDRESS_BUCKETS } from './generated/constants.ts';

/** 2^32 divided by the golden ratio: Knuth's multiplicative hash, as in `address_bucket` of bpf/lib/node.h. */
const MULTIPLIER = 0x9e3779b1;

/** The bucket of cilium_node's address counters that an address (its 16-byte form) falls into. */
export function addressBucket(key16: Uint8Array): number {
  const view = new DataView(key16.buffer, key16.byteOffset, 16);
  const mixed = view.getUint32(0, true) ^ view.getUint32(4, true) ^ view.getUint32(8, true) ^ view.getUint32(12, true);
  return Math.imul(mixed, MULTIPLIER) >>> (32 - Math.log2(ADDRESS_BUCKETS));
}
