import type { RawMap } from '@cilium-ts/bpf-maps';

/** Called before each write of a map, with the name of the operation; throws to make it fail. */
export type FaultHook = (operation: 'update' | 'delete' | 'updateBatch' | 'deleteBatch', writesBefore: number) => void;

/** A map whose writes can be made to fail: before each of them `hook` is asked. Reading is not disturbed. */
export function faultyMap(map: RawMap, hook: FaultHook): RawMap {
  let writes = 0;
  const checked = <T>(operation: Parameters<FaultHook>[0], write: () => T): T => {
    hook(operation, writes++);
    return write();
  };
  return {
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    lookup: (key) => map.lookup(key),
    entries: () => map.entries(),
    update: (key, value, flags) => checked('update', () => map.update(key, value, flags)),
    delete: (key) => checked('delete', () => map.delete(key)),
    updateBatch: (keys, values, count) => checked('updateBatch', () => map.updateBatch(keys, values, count)),
    deleteBatch: (keys, count) => checked('deleteBatch', () => map.deleteBatch(keys, count)),
    close: () => map.close(),
  };
}

/** A hook that lets `count` writes pass and fails every later one with this error code. */
export function failAfter(count: number, code: string): FaultHook {
  return (operation, before) => {
    if (before >= count) throw Object.assign(new Error(`${operation}: made to fail`), { code });
  };
}
