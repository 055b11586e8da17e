import { checkBytes, checkInteger, checkString } from './arguments.ts';
import { failure, type LibbpfError } from './error.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import { mapEntries, mapKeys } from './map-iteration.ts';
import { isPerCpuType, mapTypeName, type MapType } from './map-type.ts';
import { mapArray, type MappedArray } from './mapped-array.ts';
import { native } from './native.ts';
import type { MapHandle } from './native-binding.ts';
import { perCpuSlotSize, possibleCpus } from './per-cpu.ts';
import { removePin } from './pin.ts';

/** What the kernel says about a map. */
export interface MapInfo {
  readonly type: MapType;
  readonly keySize: number;
  /** Bytes of one value; in a per-CPU map, of one CPU's value. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Flags of BPF_MAP_CREATE; see `mapFlags`. */
  readonly flags: number;
  /** At most 15 characters: the kernel cuts the rest. */
  readonly name: string;
  readonly id: number;
  readonly ifindex: number;
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
}

/** `any`: create or replace; `noexist`: only create (else EEXIST); `exist`: only replace (else ENOENT). */
export type UpdateFlags = 'any' | 'noexist' | 'exist';
const UPDATE_FLAGS: Readonly<Record<UpdateFlags, number>> = { any: 0, noexist: 1, exist: 2 };

/** Part of a map, as read by lookupBatch(). */
export interface MapBatch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
  /** Pass to the next call; `undefined` at the end. */
  readonly next: Uint8Array | undefined;
}

/**
 * A map in the kernel. Owns a file descriptor: close it, or let `using` do so. All calls are synchronous system calls
 * of about a microsecond. Keys and values are plain bytes in the machine's byte order.
 */
export class BpfMap implements Disposable {
  readonly info: MapInfo;
  readonly keySize: number;
  /** Bytes of the value buffers that lookup() returns and update() takes: in a per-CPU map, all slots together. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Is there one value per possible CPU? Then use splitPerCpu(value, map.info.valueSize). */
  readonly perCpu: boolean;
  readonly #box: HandleBox<MapHandle>;
  readonly #mappings = new Set<MappedArray>();

  /** Use openObject, createMap, openPinnedMap or openMapById. Takes ownership of the handle. */
  constructor(handle: MapHandle) {
    const [type, keySize, valueSize, maxEntries, flags, name, id, ifindex, btfId, btfKeyTypeId, btfValueTypeId] = unwrap(native().mapInfo(handle), 'reading map information', { syscall: 'bpf(BPF_OBJ_GET_INFO_BY_FD)' });
    this.info = { type: mapTypeName(type), keySize, valueSize, maxEntries, flags, name, id, ifindex, btfId, btfKeyTypeId, btfValueTypeId };
    this.#box = new HandleBox(handle, `map '${name}'`);
    this.keySize = keySize;
    this.maxEntries = maxEntries;
    this.perCpu = isPerCpuType(this.info.type);
    this.valueSize = this.perCpu ? perCpuSlotSize(valueSize) * possibleCpus() : valueSize;
  }

  /** The file descriptor, valid until close(). Do not close it yourself. */
  get fd(): number {
    return native().fd(this.handle('using the descriptor of a map'));
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** For other parts of this package. */
  handle(action: string): MapHandle {
    return this.#box.get(action);
  }

  /** The value of a key, or `undefined`. In an LPM trie, the value of the longest prefix that covers the key. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.valueSize);
    return this.lookupInto(key, value) ? value : undefined;
  }

  /** lookup() into a buffer of the caller's; false when there is no such key. */
  lookupInto(key: Uint8Array, value: Uint8Array): boolean {
    checkBytes(key, 'key', this.keySize);
    checkBytes(value, 'value', this.valueSize);
    return this.#found(native().mapLookup(this.handle('looking up in a map'), key, value, 0), 'looking up', 'BPF_MAP_LOOKUP_ELEM');
  }

  /** Removes an entry and returns its value; of a queue or stack (keySize 0), the next element. */
  lookupAndDelete(key: Uint8Array): Uint8Array | undefined {
    checkBytes(key, 'key', this.keySize);
    const value = new Uint8Array(this.valueSize);
    const status = native().mapLookupAndDelete(this.handle('taking from a map'), key, value);
    return this.#found(status, 'taking an entry', 'BPF_MAP_LOOKUP_AND_DELETE_ELEM') ? value : undefined;
  }

  /**
   * Creates or replaces an entry.
   * @throws LibbpfError `E2BIG` when the map is full (`ENOSPC` for an LPM trie), `EEXIST` and `ENOENT` as `flags` say
   */
  update(key: Uint8Array, value: Uint8Array, flags: UpdateFlags = 'any'): void {
    checkBytes(key, 'key', this.keySize);
    checkBytes(value, 'value', this.valueSize);
    const status = native().mapUpdate(this.handle('updating a map'), key, value, updateFlags(flags));
    if (status < 0) throw this.#failure(status, 'updating', 'BPF_MAP_UPDATE_ELEM');
  }

  /** Deletes an entry; false when there was none. */
  delete(key: Uint8Array): boolean {
    checkBytes(key, 'key', this.keySize);
    return this.#found(native().mapDelete(this.handle('deleting from a map'), key), 'deleting', 'BPF_MAP_DELETE_ELEM');
  }

  /**
   * Reads about `count` entries in one system call. For whole maps use entries().
   * @param after `next` of the previous batch; leave out to start
   * @throws LibbpfError `ENOTSUPP` where the map type has no batches, `ENOSPC` where a hash bucket holds more than `count` entries
   */
  lookupBatch(count: number, after?: Uint8Array): MapBatch {
    checkInteger(count, 'count', 1, 1 << 24);
    const cursor = Math.max(this.keySize, 4); // hash maps use a 4-byte bucket number, others a key
    if (after !== undefined) checkBytes(after, 'after', cursor);
    const next = new Uint8Array(cursor);
    const keys = new Uint8Array(count * this.keySize);
    const values = new Uint8Array(count * this.valueSize);
    const done = Uint32Array.of(count);
    const status = native().mapLookupBatch(this.handle('reading a batch of a map'), after, next, keys, values, done);
    if (status < 0 && status !== -2) throw this.#failure(status, 'reading a batch of', 'BPF_MAP_LOOKUP_BATCH');
    const got = done[0] ?? 0;
    return { keys: keys.subarray(0, got * this.keySize), values: values.subarray(0, got * this.valueSize), count: got, next: status === -2 ? undefined : next };
  }

  /**
   * Creates or replaces `count` entries, one after the other in `keys` and `values`. Not atomic: on failure the error's
   * `completed` says how many were written. Map types without batches are written entry by entry.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number, flags: UpdateFlags = 'any'): void {
    checkInteger(count, 'count', 0, 1 << 24);
    checkBytes(keys, 'keys', count * this.keySize);
    checkBytes(values, 'values', count * this.valueSize);
    if (count === 0) return;
    const done = Uint32Array.of(count);
    const status = native().mapUpdateBatch(this.handle('updating a map'), keys, values, updateFlags(flags), done);
    if (status < 0) throw this.#failure(status, `updating ${count} entries (${done[0] ?? 0} done) of`, 'BPF_MAP_UPDATE_BATCH', done[0]);
  }

  /** Deletes `count` entries; keys that do not exist are passed over. Returns how many existed. */
  deleteBatch(keys: Uint8Array, count: number): number {
    checkInteger(count, 'count', 0, 1 << 24);
    checkBytes(keys, 'keys', count * this.keySize);
    if (count === 0) return 0;
    const done = Uint32Array.of(count);
    const status = native().mapDeleteBatch(this.handle('deleting from a map'), keys, done);
    if (status < 0) throw this.#failure(status, `deleting ${count} entries (${done[0] ?? 0} done) of`, 'BPF_MAP_DELETE_BATCH', done[0]);
    return done[0] ?? 0;
  }

  /**
   * Walks the map in no particular order. Always ends; entries may be changed and deleted meanwhile, by the loop's own
   * body too. An entry that stays in the map throughout is seen exactly once; one that comes or goes, at most once
   * unless it is deleted and created again. An LRU map under insertion may move what it holds: entries can be missed.
   */
  entries(): IterableIterator<[key: Uint8Array, value: Uint8Array]> {
    return mapEntries(this);
  }

  /** The keys, as entries(). */
  keys(): IterableIterator<Uint8Array> {
    return mapKeys(this);
  }

  [Symbol.iterator](): IterableIterator<[key: Uint8Array, value: Uint8Array]> {
    return this.entries();
  }

  /** Makes the map findable at a path on a bpffs; it then outlives this process. The folder must exist. */
  pin(path: string): void {
    checkString(path, 'path');
    check(native().pin(this.handle('pinning a map'), path), `pinning map '${this.info.name}' at ${path}`, { syscall: 'bpf(BPF_OBJ_PIN)', path });
  }

  /** Removes a pin; false when nothing was there. The map lives on while anything holds it. */
  unpin(path: string): boolean {
    return removePin(path);
  }

  /** From now on the map cannot be written by user space (Linux 5.2). Cannot be undone. */
  freeze(): void {
    check(native().mapFreeze(this.handle('freezing a map')), `freezing map '${this.info.name}'`, { syscall: 'bpf(BPF_MAP_FREEZE)' });
  }

  /**
   * Maps the memory of an array that was created with BPF_F_MMAPABLE (Linux 5.5) into this process: reads and writes
   * go to the kernel's memory, without system calls. Closed with the map.
   */
  mmap(options: { readonly writable?: boolean } = {}): MappedArray {
    const mapping = mapArray(this, options.writable ?? true, () => this.#mappings.delete(mapping));
    this.#mappings.add(mapping);
    return mapping;
  }

  /** Another handle on the same map, with a life of its own. */
  dup(): BpfMap {
    return new BpfMap(unwrap(native().mapDup(this.handle('duplicating a map handle')), `duplicating map '${this.info.name}'`));
  }

  /** Closes the handle and every mapping; the map itself goes when nothing uses it any more. Idempotent. */
  close(): void {
    for (const mapping of this.#mappings) mapping.close();
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #found(status: number, action: string, command: string): boolean {
    if (status >= 0) return true;
    if (status === -2) return false;
    throw this.#failure(status, action, command);
  }

  #failure(status: number, action: string, command: string, completed?: number): LibbpfError {
    return failure(status, `${action} map '${this.info.name}' (${this.info.type}, ${this.maxEntries} entries)`, { syscall: `bpf(${command})`, completed });
  }
}

const updateFlags = (flags: UpdateFlags): number => {
  const number = UPDATE_FLAGS[flags];
  if (number === undefined) throw new TypeError(`flags: expected 'any' | 'noexist' | 'exist', got ${String(flags)}`);
  return number;
};
