import { failure, LibbpfError } from './error.ts';
import type { BpfMap, MapBatch } from './map.ts';
import { isBucketedType, isIndexedType } from './map-type.ts';
import { native } from './native.ts';

const KEYS_PER_CALL = 1024;
const BATCH_BYTES = 1 << 18;

/** Error codes that say "no batches for this map type" rather than "this batch failed". */
const UNSUPPORTED = new Set(['ENOTSUPP', 'EOPNOTSUPP', 'EINVAL']);

/** Walks a map by the safest way its type has. See BpfMap.entries(). */
export function* mapEntries(map: BpfMap): Generator<[Uint8Array, Uint8Array]> {
  if (isBucketedType(map.info.type)) {
    const first = tryBatch(map);
    if (first !== undefined) return yield* batchEntries(map, first);
  }
  for (const key of walkKeys(map)) {
    const value = map.lookup(key);
    if (value !== undefined) yield [key, value];
  }
}

export function* mapKeys(map: BpfMap): Generator<Uint8Array> {
  if (isBucketedType(map.info.type)) {
    for (const [key] of mapEntries(map)) yield key;
    return;
  }
  yield* walkKeys(map);
}

const initialBatch = (map: BpfMap): number => Math.max(16, Math.min(map.maxEntries, Math.ceil(BATCH_BYTES / (map.keySize + map.valueSize))));

/** The first batch, or undefined when this kernel has no batches for the type (hash: 5.6; hash of maps: later). */
const tryBatch = (map: BpfMap): MapBatch | undefined => {
  try {
    return growingBatch(map, { count: initialBatch(map) }, undefined);
  } catch (error) {
    if (error instanceof LibbpfError && UNSUPPORTED.has(error.code)) return undefined;
    throw error;
  }
};

/** A batch must hold a whole hash bucket: on ENOSPC the buffer grows. */
const growingBatch = (map: BpfMap, size: { count: number }, after: Uint8Array | undefined): MapBatch => {
  for (;;) {
    try {
      return map.lookupBatch(size.count, after);
    } catch (error) {
      if (!(error instanceof LibbpfError) || error.code !== 'ENOSPC' || size.count > map.maxEntries * 2) throw error;
      size.count *= 2;
    }
  }
};

/** Bucket after bucket, each read once under its lock: ends, and never sees an entry twice, whatever is deleted. */
function* batchEntries(map: BpfMap, first: MapBatch): Generator<[Uint8Array, Uint8Array]> {
  const size = { count: initialBatch(map) };
  for (let batch = first; ; batch = growingBatch(map, size, batch.next)) {
    for (let i = 0; i < batch.count; i++) {
      yield [batch.keys.slice(i * map.keySize, (i + 1) * map.keySize), batch.values.slice(i * map.valueSize, (i + 1) * map.valueSize)];
    }
    if (batch.next === undefined) return;
  }
}

/**
 * Key after key. The kernel starts over when the key it is asked to go on from has been deleted, so keys already seen
 * are passed over, and there is a limit. The keys are collected first: what the loop's body deletes cannot disturb.
 */
function* walkKeys(map: BpfMap): Generator<Uint8Array> {
  if (map.keySize === 0) throw new TypeError(`map '${map.info.name}': a ${map.info.type} has no keys; use lookupAndDelete`);
  const seen = isIndexedType(map.info.type) ? undefined : new Set<string>();
  const limit = 4 * map.maxEntries + KEYS_PER_CALL;
  const found: Uint8Array[] = [];
  let after: Uint8Array | undefined;
  for (let steps = 0; steps <= limit; ) {
    const keys = new Uint8Array(KEYS_PER_CALL * map.keySize);
    const count = native().mapKeys(map.handle('walking a map'), after, keys);
    if (count < 0) throw failure(count, `walking map '${map.info.name}'`, { syscall: 'bpf(BPF_MAP_GET_NEXT_KEY)' });
    for (let i = 0; i < count; i++) {
      const key = keys.slice(i * map.keySize, (i + 1) * map.keySize);
      if (isNew(seen, key)) found.push(key);
      after = key;
    }
    if (count < KEYS_PER_CALL) return yield* found;
    steps += count;
  }
  throw new LibbpfError('ITERATION_ABORTED', `walking map '${map.info.name}': entries are deleted faster than they can be read`);
}

const isNew = (seen: Set<string> | undefined, key: Uint8Array): boolean => {
  if (seen === undefined) return true;
  const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
  if (seen.has(text)) return false;
  seen.add(text);
  return true;
};
