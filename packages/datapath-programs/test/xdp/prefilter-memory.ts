import { decodeBytes, memoryMap, type RawMap } from '@cilium-ts/bpf-maps';
import { denied, MAPS, PREFILTER_LIST } from '@cilium-ts/datapath-layout';
import { parseCidr, parseIp, type Cidr } from '@cilium-ts/core';
import type { DeniedList } from '../../src/xdp/denied-list.ts';
import type { PrefilterStore } from '../../src/xdp/prefilter.ts';

/** The prefilter's maps in memory, with a hook before each single write. */
export interface PrefilterMemory extends PrefilterStore {
  onStep: () => void;
  steps: number;
}

/** Empty maps with room for this many entries each. */
export function createPrefilterMemory(maxEntries = 64): PrefilterMemory {
  const words = new BigUint64Array(2);
  const step = (): void => {
    memory.steps++;
    memory.onStep();
  };
  const map = (name: 'cilium_denied_addresses4' | 'cilium_denied_prefixes4' | 'cilium_denied_addresses6' | 'cilium_denied_prefixes6'): RawMap => {
    const plain = memoryMap({ type: MAPS[name].type, keySize: MAPS[name].keySize, valueSize: MAPS[name].valueSize, maxEntries });
    const part = (bytes: Uint8Array, size: number, index: number): Uint8Array => bytes.slice(index * size, (index + 1) * size);
    return {
      keySize: plain.keySize, valueSize: plain.valueSize, maxEntries,
      lookup: (key) => plain.lookup(key),
      update(key, value, flags) {
        step();
        plain.update(key, value, flags);
      },
      delete(key) {
        step();
        return plain.delete(key);
      },
      entries: () => plain.entries(),
      updateBatch(keys, values, count) {
        for (let i = 0; i < count; i++) this.update(part(keys, plain.keySize, i), part(values, plain.valueSize, i));
      },
      deleteBatch(keys, count) {
        let existed = 0;
        for (let i = 0; i < count; i++) existed += this.delete(part(keys, plain.keySize, i)) ? 1 : 0;
        return existed;
      },
      close: () => plain.close(),
    };
  };
  const memory: PrefilterMemory = {
    state: {
      length: 2,
      load: (index) => words[index] ?? 0n,
      store(index, value) {
        step();
        words[index] = value;
      },
    },
    lists: { addresses4: map('cilium_denied_addresses4'), prefixes4: map('cilium_denied_prefixes4'), addresses6: map('cilium_denied_addresses6'), prefixes6: map('cilium_denied_prefixes6') },
    gracePeriod: () => Promise.resolve(),
    onStep: () => undefined,
    steps: 0,
  };
  return memory;
}

/** What the programs make of a source: bpf/lib/prefilter.h in TypeScript. */
export function denies({ state, lists }: PrefilterStore, address: string): boolean {
  const ip = parseIp(address)!;
  const held = Number(state.load(1));
  const revision = Number(state.load(0));
  const prefixKey = new Uint8Array([ip.bytes.length * 8, 0, 0, 0, ...ip.bytes]);
  const asks = ip.family === 4
    ? [['addresses4', PREFILTER_LIST.ADDRESSES4, ip.bytes], ['prefixes4', PREFILTER_LIST.PREFIXES4, prefixKey]] as const
    : [['addresses6', PREFILTER_LIST.ADDRESSES6, ip.bytes], ['prefixes6', PREFILTER_LIST.PREFIXES6, prefixKey]] as const;
  return asks.some(([list, bit, key]: readonly [DeniedList, number, Uint8Array]) => {
    const value = (held & bit) !== 0 ? lists[list].lookup(key) : undefined;
    if (value === undefined) return false;
    const { since, until } = decodeBytes(denied, value);
    return since <= revision && revision < until;
  });
}

/** All entries in the maps, whatever they mean. */
export function physical(store: PrefilterStore): number {
  return Object.values(store.lists).reduce((sum, list) => sum + [...list.entries()].length, 0);
}

/** Prefixes from text. */
export function cidrs(...texts: readonly string[]): Cidr[] {
  return texts.map((text) => parseCidr(text)!);
}

