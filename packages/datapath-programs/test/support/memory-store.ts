import { memoryMap, type RawMap } from '@cilium-ts/bpf-maps';
import { MAPS, nodeState } from '@cilium-ts/datapath-layout';
import type { DatapathStore, WordArray } from '../../src/ports.ts';
import { SlabHash } from './slab-hash.ts';

/** The maps in memory, with a hook before each write. */
export interface MemoryStore extends DatapathStore {
  readonly addresses: SlabHash;
  readonly policy: SlabHash;
  /** Called before each write with its name; may throw (a crash) or let readers run. */
  onStep: (operation: string) => void;
  /** Called for each grace period; ends when it has passed. */
  onGrace: () => Promise<void>;
  /** Writes so far. */
  steps: number;
  graces: number;
}

/** Sizes small enough to be exhausted. */
export interface MemorySizes {
  readonly slots?: number;
  readonly policy?: number;
  readonly rows?: number;
  readonly addresses?: number;
  readonly remotes?: number;
  readonly prefixes?: number;
}

/** A fresh set of maps, all zero. */
export function createMemoryStore(sizes: MemorySizes = {}): MemoryStore {
  const step = (operation: string): void => {
    store.steps++;
    store.onStep(operation);
  };
  const words = (name: string, length: number): WordArray => {
    const memory = new BigUint64Array(length);
    return {
      length,
      load: (index) => memory[index] ?? 0n,
      store(index, value) {
        step(`${name}.store`);
        memory[index] = value;
      },
    };
  };
  const stepped = (name: string, map: RawMap): RawMap => ({
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
  });
  const array = (valueSize: number, maxEntries: number): RawMap => memoryMap({ type: 'array', keySize: 4, valueSize, maxEntries });
  const slots = sizes.slots ?? 8;
  const store: MemoryStore = {
    node: words('node', nodeState.size / 8),
    cells: words('cells', slots * 8),
    remotes: words('remotes', (sizes.remotes ?? 64) * 2),
    rows: words('rows', sizes.rows ?? 256),
    devices: stepped('devices', array(4, 128)),
    devicesSparse: new SlabHash('devicesSparse', { keySize: 4, valueSize: 4, maxEntries: 4 }, step),
    endpoints: stepped('endpoints', array(64, slots)),
    addresses: new SlabHash('addresses', { ...MAPS.cilium_addresses, maxEntries: sizes.addresses ?? 64 }, step),
    prefixes: stepped('prefixes', memoryMap({ type: 'lpm_trie', keySize: 20, valueSize: 4, maxEntries: sizes.prefixes ?? 64 })),
    policy: new SlabHash('policy', { ...MAPS.cilium_policy, maxEntries: sizes.policy ?? 256 }, step),
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
