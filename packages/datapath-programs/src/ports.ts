import type { RawMap } from '@cilium-ts/bpf-maps';

/** Memory that the kernel reads while it is written: 64-bit words, each stored and loaded as a whole. */
export interface WordArray {
  readonly length: number;
  load(index: number): bigint;
  store(index: number, value: bigint): void;
}

/** The maps that the writer needs, as ports: the kernel's, or their twins in memory. */
export interface DatapathStore {
  /** cilium_node. */
  readonly node: WordArray;
  /** cilium_cells. */
  readonly cells: WordArray;
  /** cilium_remotes: two words per entry, one for each parity of the epoch. */
  readonly remotes: WordArray;
  /** cilium_rows: one word per boundary. */
  readonly rows: WordArray;
  readonly devices: RawMap;
  readonly devicesSparse: RawMap;
  readonly endpoints: RawMap;
  readonly addresses: RawMap;
  readonly prefixes: RawMap;
  readonly policy: RawMap;
  /**
   * Resolves when every program that was running at the time of the call has ended
   * (`membarrier` global on the kernel).
   */
  gracePeriod(): Promise<void>;
}
