import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MAPS, type MapName } from '@cilium-ts/datapath-layout';
import { openPinnedMap, type BpfMap } from 'libbpf-napi';
import type { MapSizes } from '../datapath.ts';
import { DatapathError } from '../error.ts';

/**
 * The entries (bytes for a ring) that a map is to have. The kernel makes as many buckets as the next power of two, so a
 * table of flows that is exactly one gets an entry more: with twice the buckets there is half as much to pass over, which
 * costs a new flow a tenth of its time, and an established one among many a fifth.
 * @throws RangeError
 */
export function sizeOf(sizes: MapSizes, name: MapName): number {
  const chosen = (sizes as Partial<Record<MapName, number>>)[name];
  if (chosen !== undefined && (!Number.isInteger(chosen) || chosen < 1)) throw new RangeError(`sizes.${name}: expected a whole number from 1 up, got ${chosen}`);
  const entries = chosen ?? MAPS[name].maxEntries;
  return name === 'cilium_flows' && Number.isInteger(Math.log2(entries)) ? entries + 1 : entries;
}

/**
 * Those of the maps that a previous run, or another object of this one, left under `bpfRoot`.
 * @throws DatapathError `layout-mismatch` when one of them has another shape or size
 */
export function openPinnedMaps<Name extends MapName>(bpfRoot: string, names: readonly Name[], sizes: MapSizes): Map<Name, BpfMap> {
  const found = new Map<Name, BpfMap>();
  try {
    for (const name of names) {
      const path = join(bpfRoot, name);
      if (!existsSync(path)) continue;
      const map = openPinnedMap(path);
      found.set(name, map);
      checkShape(path, name, map, sizes);
    }
    return found;
  } catch (error) {
    for (const map of found.values()) map.close();
    throw error;
  }
}

function checkShape(path: string, name: MapName, map: BpfMap, sizes: MapSizes): void {
  const spec = { ...MAPS[name], maxEntries: sizeOf(sizes, name) };
  const { type, keySize, valueSize, maxEntries } = map.info;
  if (type === spec.type && keySize === spec.keySize && valueSize === spec.valueSize && maxEntries === spec.maxEntries) return;
  throw new DatapathError(
    'layout-mismatch',
    `take over ${path}: it is a ${type} of ${maxEntries} entries with keys of ${keySize} and values of ${valueSize} bytes, but a ${spec.type} of ${spec.maxEntries} with ${spec.keySize} and ${spec.valueSize} is needed; run \`cilium cleanup\` (connections are interrupted), or start with the version or sizes that made it`,
  );
}
