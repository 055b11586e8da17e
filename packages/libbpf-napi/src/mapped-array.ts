import { LibbpfError } from './error.ts';
import { unwrap } from './handle.ts';
import type { BpfMap } from './map.ts';
import { mapFlags } from './map-type.ts';
import { native } from './native.ts';

/**
 * The memory of a map in this process. After close() the views have length 0: an access through them does nothing
 * or returns undefined, and never touches memory that is gone.
 */
export class MappedArray implements Disposable {
  readonly #onClose: () => void;
  readonly #name: string;
  readonly #stride: number;
  #buffer: ArrayBuffer | undefined;
  #bytes: Uint8Array;
  #u64: BigUint64Array;

  /** Use BpfMap.mmap(). */
  constructor(buffer: ArrayBuffer, name: string, stride: number, onClose: () => void) {
    this.#buffer = buffer;
    this.#name = name;
    this.#stride = stride;
    this.#onClose = onClose;
    this.#bytes = new Uint8Array(buffer);
    this.#u64 = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
  }

  /** The whole array, element after element, each padded to `stride` bytes. */
  get bytes(): Uint8Array {
    this.#open('reading');
    return this.#bytes;
  }

  /** The same memory as 64-bit numbers; works with Atomics.load, store, add, compareExchange. */
  get u64(): BigUint64Array {
    this.#open('reading');
    return this.#u64;
  }

  /** Bytes from one element to the next: the value size rounded up to 8. */
  get stride(): number {
    return this.#stride;
  }

  get closed(): boolean {
    return this.#buffer === undefined;
  }

  /** Writes 8 bytes so that no reader ever sees half of them. `index` counts 8-byte words. */
  store64(index: number, value: bigint): void {
    this.#open('writing to');
    Atomics.store(this.#u64, index, value);
  }

  /** Reads 8 bytes at once. `index` counts 8-byte words. */
  load64(index: number): bigint {
    this.#open('reading');
    return Atomics.load(this.#u64, index);
  }

  /** Adds to 8 bytes at once and returns what was there. `index` counts 8-byte words. */
  add64(index: number, value: bigint): bigint {
    this.#open('writing to');
    return Atomics.add(this.#u64, index, value);
  }

  /** Unmaps. Every view on the memory, also those handed out, becomes empty. Idempotent. */
  close(): void {
    if (this.#buffer === undefined) return;
    native().detach(this.#buffer);
    this.#buffer = undefined;
    this.#bytes = new Uint8Array(0);
    this.#u64 = new BigUint64Array(0);
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(action: string): void {
    if (this.#buffer === undefined) throw new LibbpfError('HANDLE_CLOSED', `${action} mapped memory: the mapping of map '${this.#name}' is closed`);
  }
}

export const mapArray = (map: BpfMap, writable: boolean, onClose: () => void): MappedArray => {
  const handle = map.handle('mapping the memory of a map');
  if (map.info.type !== 'array' || (map.info.flags & mapFlags.mmapable) === 0) {
    throw new LibbpfError('NOT_SUPPORTED', `mapping the memory of map '${map.info.name}': only arrays created with BPF_F_MMAPABLE (Linux 5.5) can be mapped; this is a ${map.info.type} with flags ${map.info.flags}`);
  }
  const stride = (map.info.valueSize + 7) & ~7; // kernel/bpf/arraymap.c rounds elements up to 8 bytes
  const buffer = unwrap(native().mapMmap(handle, stride * map.maxEntries, writable), `mapping the memory of map '${map.info.name}'`, { syscall: 'mmap' });
  return new MappedArray(buffer, map.info.name, stride, onClose);
};
