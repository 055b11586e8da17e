import { memoryMap, type RawMap } from '@cilium-ts/bpf-maps';
import { MAPS } from '@cilium-ts/datapath-layout';
import { BACKEND_WORDS } from '../../src/services/backend-table.ts';
import type { ServiceStore, WordBlock } from '../../src/services/ports.ts';
import { SERVICE_WORDS } from '../../src/services/service-table.ts';
import { SlabHash } from '../support/slab-hash.ts';

/** The maps of services in memory, with a hook before each write. */
export interface MemoryServiceStore extends ServiceStore {
  readonly frontends: SlabHash;
  /** Called before each write with its name; may throw (a crash) or let readers run. */
  onStep: (operation: string) => void;
  /** Called for each grace period; ends when it has passed. */
  onGrace: () => Promise<void>;
  steps: number;
  graces: number;
}

/** Sizes small enough to be exhausted. */
export interface MemoryServiceSizes {
  readonly services?: number;
  readonly backends?: number;
  /** Words. */
  readonly runs?: number;
  readonly frontends?: number;
  readonly sourceRanges?: number;
}

/** A fresh set of maps, all zero. */
export function createMemoryServiceStore(sizes: MemoryServiceSizes = {}): MemoryServiceStore {
  const step = (operation: string): void => {
    store.steps++;
    store.onStep(operation);
  };
  const words = (name: string, length: number): WordBlock => {
    const memory = new BigUint64Array(length);
    const put = (index: number, value: bigint): void => {
      step(`${name}.store`);
      if (index >= length) throw new Error(`${name}: ${index} is beyond ${length}`);
      memory[index] = value;
    };
    return {
      length,
      load: (index) => memory[index] ?? 0n,
      store: put,
      // Backwards: nothing may depend on the order.
      write: (index, values) => [...values.keys()].reverse().forEach((offset) => put(index + offset, values[offset] ?? 0n)),
      read: (index, into) => into.set(memory.subarray(index, index + into.length)),
    };
  };
  const store: MemoryServiceStore = {
    services: words('services', (sizes.services ?? 64) * SERVICE_WORDS),
    backends: words('backends', (sizes.backends ?? 64) * BACKEND_WORDS),
    runs: words('runs', sizes.runs ?? 256),
    vips: words('vips', MAPS.cilium_vips.maxEntries),
    frontends: new SlabHash('frontends', { ...MAPS.cilium_frontends, maxEntries: sizes.frontends ?? 64 }, step),
    sourceRanges: stepped('sourceRanges', memoryMap({ type: 'lpm_trie', keySize: 24, valueSize: 4, maxEntries: sizes.sourceRanges ?? 64 }), step),
    poolMembers: stepped('poolMembers', memoryMap({ ...MAPS.cilium_pool_members, maxEntries: sizes.backends ?? 64 }), step),
    async gracePeriod() {
      store.graces++;
      await store.onGrace();
    },
    onStep: () => undefined,
    onGrace: async () => undefined,
    steps: 0,
    graces: 0,
  };
  return store;
}

function stepped(name: string, map: RawMap, step: (operation: string) => void): RawMap {
  return {
    keySize: map.keySize, valueSize: map.valueSize, maxEntries: map.maxEntries,
    lookup: (key) => map.lookup(key),
    update(key, value, flags) {
      step(`${name}.update`);
      map.update(key, value, flags);
    },
    delete(key) {
      step(`${name}.delete`);
      return map.delete(key);
    },
    entries: () => map.entries(),
    updateBatch: (keys, values, count) => map.updateBatch(keys, values, count),
    deleteBatch: (keys, count) => map.deleteBatch(keys, count),
    close: () => map.close(),
  };
}
