import type { RawMap } from '@cilium-ts/bpf-maps';
import type { WordArray } from '../ports.ts';

/** Words of which many may be moved at once. */
export interface WordBlock extends WordArray {
  /** Copies `words` to `index` and on, in no particular order: for memory that nobody reads until a later `store`. */
  write(index: number, words: BigUint64Array): void;
  /** Fills `words` from `index` on. */
  read(index: number, words: BigUint64Array): void;
}

/** The maps of services as ports: the kernel's, or their twins in memory. */
export interface ServiceStore {
  /** cilium_services: eight words per id. */
  readonly services: WordBlock;
  /** cilium_backends: four words per index. */
  readonly backends: WordBlock;
  /** cilium_service_runs: two indexes per word. */
  readonly runs: WordBlock;
  /** cilium_vips. */
  readonly vips: WordBlock;
  readonly frontends: RawMap;
  /** cilium_node, where endpoints have flows beside these maps: those to an address are decided anew when it gets a frontend. */
  readonly node?: WordArray;
  readonly sourceRanges: RawMap;
  /** cilium_pool_members. */
  readonly poolMembers?: RawMap;
  /** Resolves when every program that was running at the time of the call has ended. */
  gracePeriod(): Promise<void>;
}
