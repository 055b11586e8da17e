// linux/bpf.h, enum bpf_map_type: the index is the number. With each the first kernel version that has it
// (https://github.com/iovisor/bcc/blob/master/docs/kernel-versions.md).
const MAP_TYPES = [
  ['unspec', ''], ['hash', '3.19'], ['array', '3.19'], ['prog_array', '4.2'], ['perf_event_array', '4.3'], ['percpu_hash', '4.6'],
  ['percpu_array', '4.6'], ['stack_trace', '4.6'], ['cgroup_array', '4.8'], ['lru_hash', '4.10'], ['lru_percpu_hash', '4.10'],
  ['lpm_trie', '4.11'], ['array_of_maps', '4.12'], ['hash_of_maps', '4.12'], ['devmap', '4.14'], ['sockmap', '4.14'], ['cpumap', '4.15'],
  ['xskmap', '4.18'], ['sockhash', '4.18'], ['cgroup_storage', '4.19'], ['reuseport_sockarray', '4.19'], ['percpu_cgroup_storage', '4.20'],
  ['queue', '4.20'], ['stack', '4.20'], ['sk_storage', '5.2'], ['devmap_hash', '5.4'], ['struct_ops', '5.6'], ['ringbuf', '5.8'],
  ['inode_storage', '5.10'], ['task_storage', '5.11'], ['bloom_filter', '5.16'], ['user_ringbuf', '6.1'], ['cgrp_storage', '6.2'], ['arena', '6.9'],
] as const;

/** A map type by its kernel name in lower case; see `mapTypes` for all. A type newer than this package reads `type_<number>`. */
export type MapType = (typeof MAP_TYPES)[number][0] | `type_${number}`;

/** All map types known to this package. */
export const mapTypes: readonly MapType[] = MAP_TYPES.slice(1).map(([name]) => name);

export const mapTypeName = (type: number): MapType => MAP_TYPES[type]?.[0] ?? `type_${type}`;

/** @throws TypeError when there is no such type */
export const mapTypeNumber = (name: MapType, argument = 'type'): number => {
  const known = MAP_TYPES.findIndex(([candidate]) => candidate === name);
  const number = known >= 0 ? known : Number(/^type_(\d+)$/.exec(name)?.[1] ?? Number.NaN);
  if (Number.isNaN(number) || number === 0) throw new TypeError(`${argument}: unknown map type ${JSON.stringify(name)}`);
  return number;
};

/** The first kernel version with a map type, where known. */
export const mapTypeSince = (name: MapType): string | undefined => MAP_TYPES.find(([candidate]) => candidate === name)?.[1];

const PER_CPU = new Set<MapType>(['percpu_hash', 'percpu_array', 'lru_percpu_hash', 'percpu_cgroup_storage']);
/** Does a look-up return one value per possible CPU? */
export const isPerCpuType = (type: MapType): boolean => PER_CPU.has(type);

const BUCKETED = new Set<MapType>(['hash', 'lru_hash', 'percpu_hash', 'lru_percpu_hash', 'hash_of_maps']);
/** Are entries kept in hash buckets? Then a batch look-up walks them exactly once, whatever is deleted meanwhile. */
export const isBucketedType = (type: MapType): boolean => BUCKETED.has(type);

const INDEXED = new Set<MapType>(['array', 'percpu_array', 'prog_array', 'perf_event_array', 'cgroup_array', 'array_of_maps', 'devmap', 'sockmap', 'cpumap', 'xskmap', 'reuseport_sockarray']);
/** Is the key an index from 0 to maxEntries - 1? */
export const isIndexedType = (type: MapType): boolean => INDEXED.has(type);

/** linux/bpf.h: flags of BPF_MAP_CREATE. */
export const mapFlags = {
  noPrealloc: 1 << 0, noCommonLru: 1 << 1, numaNode: 1 << 2, readonly: 1 << 3, writeonly: 1 << 4, zeroSeed: 1 << 6,
  readonlyProgram: 1 << 7, writeonlyProgram: 1 << 8, mmapable: 1 << 10, preserveElements: 1 << 11, innerMap: 1 << 12,
} as const;
