import { membarrierGlobal, type BpfMap, type MappedArray } from 'libbpf-napi';
import type { ServiceStore, WordBlock } from './ports.ts';

/** The maps that the service writer needs. */
export type ServiceMapName = 'cilium_services' | 'cilium_backends' | 'cilium_service_runs' | 'cilium_vips' | 'cilium_frontends' | 'cilium_source_ranges';

/** Those maps, that of the node where the endpoints' programs share them, and that of the members of pools in DSR mode. */
export type ServiceMaps = Readonly<Record<ServiceMapName, BpfMap>> & { readonly cilium_node?: BpfMap; readonly cilium_pool_members?: BpfMap };

/** The kernel's maps as the service writer's ports. The mappings go when the maps are closed. */
export function kernelServiceStore(maps: ServiceMaps): ServiceStore {
  return {
    services: block(maps.cilium_services.mmap()),
    backends: block(maps.cilium_backends.mmap()),
    runs: block(maps.cilium_service_runs.mmap()),
    vips: block(maps.cilium_vips.mmap()),
    frontends: maps.cilium_frontends,
    sourceRanges: maps.cilium_source_ranges,
    ...(maps.cilium_node === undefined ? {} : { node: block(maps.cilium_node.mmap()) }),
    ...(maps.cilium_pool_members === undefined ? {} : { poolMembers: maps.cilium_pool_members }),
    gracePeriod: membarrierGlobal,
  };
}

function block(mapped: MappedArray): WordBlock {
  return {
    length: mapped.u64.length,
    load: (index) => mapped.load64(index),
    store: (index, value) => mapped.store64(index, value),
    write: (index, words) => mapped.u64.set(words, index),
    read: (index, words) => words.set(mapped.u64.subarray(index, index + words.length)),
  };
}
