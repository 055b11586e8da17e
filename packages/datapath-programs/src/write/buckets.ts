import { addressBucket, nodeStateOffsets } from '@cilium-ts/datapath-layout';
import type { WordArray } from '../ports.ts';

const LOW = 0xffff_ffffn;

/** Moves the counter of the bucket that an address falls into: flows to it are decided anew. */
export function bumpAddress(node: WordArray, key16: Uint8Array): void {
  bump32(node, nodeStateOffsets.addressBuckets + addressBucket(key16) * 4);
}

/** Moves the counter that all flows with a remote end carry. */
export function bumpPrefixes(node: WordArray): void {
  bump32(node, nodeStateOffsets.addressesGeneration);
}

/** The node's epoch. */
export function loadEpoch(node: WordArray): bigint {
  return node.load(nodeStateOffsets.epoch / 8);
}

/** Puts an epoch in force, for all slots at once. */
export function storeEpoch(node: WordArray, epoch: bigint): void {
  node.store(nodeStateOffsets.epoch / 8, epoch);
}

/** Adds one to 32 bits at a byte offset. Their neighbours in the word have the same single writer. */
function bump32(words: WordArray, offset: number): void {
  const index = Math.floor(offset / 8);
  const word = words.load(index);
  const shift = offset % 8 === 0 ? 0n : 32n;
  const value = (((word >> shift) & LOW) + 1n) & LOW;
  words.store(index, (word & ~(LOW << shift)) | (value << shift));
}
