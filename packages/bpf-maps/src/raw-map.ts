/** `any`: create or replace; `noexist`: only create (else EEXIST); `exist`: only replace (else ENOENT). */
export type UpdateFlags = 'any' | 'noexist' | 'exist';

/**
 * A map of bytes, as the kernel has it. `libbpf-napi`'s map handle satisfies this by its shape, and so does
 * {@link memoryMap}; `@cilium-ts/bpf-maps/compliance` checks that they behave the same.
 *
 * Failures are errors with a string `code`: `E2BIG` for a full hash map or an array index out of range, `ENOSPC` for a
 * full LPM trie, `EEXIST` and `ENOENT` as the flags of an update say, `EINVAL` for what the type cannot do.
 */
export interface RawMap {
  /** Bytes of a key; in an LPM trie the four of the prefix length included. */
  readonly keySize: number;
  /** Bytes of the value buffers; in a per-CPU map all CPUs' slots together, each padded to 8 bytes. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** A copy of the value, or `undefined`. In an LPM trie, the value of the longest prefix that covers the key. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  /** Creates or replaces an entry. */
  update(key: Uint8Array, value: Uint8Array, flags?: UpdateFlags): void;
  /** Removes the entry; false if there was none. */
  delete(key: Uint8Array): boolean;
  /**
   * Copies of all entries, in no particular order; of an array, every index. Entries may be changed and deleted
   * meanwhile; one that stays is seen exactly once, unless the map is an LRU map and under insertion.
   */
  entries(): Iterable<[key: Uint8Array, value: Uint8Array]>;
  /** Creates or replaces `count` entries that stand one after the other. Not atomic: a failure leaves those before it. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  /** Removes `count` entries; missing ones are passed over. How many there were. */
  deleteBatch(keys: Uint8Array, count: number): number;
  /** Releases the handle; the map itself lives on where something else holds it. Idempotent. */
  close(): void;
}
