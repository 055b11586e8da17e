import { checkBytes } from './arguments.ts';
import { LibbpfError } from './error.ts';
import type { BpfMap, UpdateFlags } from './map.ts';
import { openMapById } from './map-open.ts';

// Maps of maps: a value is written as the descriptor of a map and read as the id of the map.

const checkOuter = (outer: BpfMap): void => {
  if (outer.info.type !== 'array_of_maps' && outer.info.type !== 'hash_of_maps') throw new TypeError(`outer: expected a map of maps, got one of type ${outer.info.type}`);
};

const idOf = (value: Uint8Array): number => new Uint32Array(value.slice().buffer)[0] ?? 0;

/**
 * Puts a map into a map of maps. Replacing is atomic: a program's look-up gives the old one or the new one. The outer map
 * holds the inner one, whose handle can be closed. Waits until no program run under way can still use the map replaced.
 * @throws LibbpfError `EINVAL` when the inner map does not have the shape given at creation (the size of hash maps and,
 * with mapFlags.innerMap, of arrays may differ), `E2BIG` when the outer map is full or the index beyond its end
 */
export const putInnerMap = (outer: BpfMap, key: Uint8Array, inner: BpfMap, flags: UpdateFlags = 'any'): void => {
  checkOuter(outer);
  outer.update(key, new Uint8Array(Uint32Array.of(inner.fd).buffer), flags);
};

/** The id of the map under a key, or `undefined`. */
export const innerMapId = (outer: BpfMap, key: Uint8Array): number | undefined => {
  checkOuter(outer);
  checkBytes(key, 'key', outer.keySize);
  const value = outer.lookup(key);
  return value === undefined ? undefined : idOf(value);
};

/** Keys and ids of all maps inside, as BpfMap.entries(). */
export function* innerMapIds(outer: BpfMap): IterableIterator<[key: Uint8Array, id: number]> {
  checkOuter(outer);
  for (const [key, value] of outer) yield [key, idOf(value)];
}

/** Opens the map under a key, or `undefined` when there is none. The handle is the caller's to close. */
export const openInnerMap = (outer: BpfMap, key: Uint8Array): BpfMap | undefined => {
  // Between the two calls the map may be replaced and go.
  for (let tries = 0; ; tries++) {
    const id = innerMapId(outer, key);
    if (id === undefined) return undefined;
    try {
      return openMapById(id);
    } catch (error) {
      if (!(error instanceof LibbpfError && error.code === 'ENOENT') || tries === 8) throw error;
    }
  }
};
