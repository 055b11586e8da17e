import { checkInteger } from './arguments.ts';
import { LibbpfError } from './error.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import type { BpfMap } from './map.ts';
import { native } from './native.ts';
import type { RingHandle } from './native-binding.ts';
import { joinBatches, RingBatch } from './ring-batch.ts';

export interface RingBufferOptions {
  /** How often to look for records that were submitted without a wake-up (BPF_RB_NO_WAKEUP), in milliseconds. Default 20. */
  readonly pollIntervalMs?: number;
  /** A batch is handed over when it has this many bytes, and at the end of each poll. Default 256 KiB. */
  readonly batchBytes?: number;
  /** How many batches may wait for the consumer; what comes beyond is thrown away and counted in `lost`. Default 64. */
  readonly highWater?: number;
  /** Does an iteration under way keep the process alive? Default false. */
  readonly keepAlive?: boolean;
}

/**
 * Reads a ring buffer map (Linux 5.8). Iterate it: a thread of its own then collects records, woken by the kernel or
 * looking every `pollIntervalMs`. Leaving the loop closes it. Only one iteration at a time.
 */
export class RingBuffer implements AsyncIterable<RingBatch>, Disposable {
  readonly #box: HandleBox<RingHandle>;
  readonly #keepAlive: boolean;
  // All that the thread's callback holds: a ring buffer that somebody waits on stays, a forgotten one can be collected.
  readonly #waiting: { notify: (() => void) | undefined } = { notify: undefined };
  #started = false;
  #iterating = false;

  /** Use openRingBuffer(). Takes ownership of the handle. */
  constructor(handle: RingHandle, name: string, keepAlive: boolean) {
    this.#box = new HandleBox(handle, `the ring buffer on map '${name}'`);
    this.#keepAlive = keepAlive;
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** Reads what is there now, on the calling thread, together with batches that wait for an iteration. Possibly empty. */
  drain(): RingBatch {
    const handle = this.#box.get('draining a ring buffer');
    check(native().ringConsume(handle), 'draining a ring buffer');
    const batches: RingBatch[] = [];
    for (let batch = this.#next(handle); batch !== undefined; batch = this.#next(handle)) batches.push(batch);
    return joinBatches(batches);
  }

  /** Batches as they come, until close(). Breaking out of the loop closes the ring buffer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RingBatch, void, void> {
    if (this.#iterating) throw new LibbpfError('EBUSY', 'iterating a ring buffer: another iteration is under way');
    this.#iterating = true;
    try {
      this.#start();
      while (!this.closed) {
        const batch = this.#next(this.#box.get('reading a ring buffer'));
        if (batch !== undefined) yield batch;
        else await this.#wait();
      }
    } finally {
      this.#iterating = false;
      this.close();
    }
  }

  /** Stops the thread and frees everything; an iteration under way ends. Idempotent. */
  close(): void {
    this.#box.close();
    this.#waiting.notify?.();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #start(): void {
    if (this.#started) return;
    const waiting = this.#waiting;
    check(native().ringStart(this.#box.get('iterating a ring buffer'), () => waiting.notify?.(), this.#keepAlive), 'starting the thread of a ring buffer');
    this.#started = true;
  }

  // Only while somebody waits can the thread's callback reach this object.
  async #wait(): Promise<void> {
    await new Promise<void>((resolve) => (this.#waiting.notify = resolve));
    this.#waiting.notify = undefined;
  }

  #next(handle: RingHandle): RingBatch | undefined {
    const taken = native().ringTake(handle);
    return taken === undefined ? undefined : new RingBatch(...taken);
  }
}

/** Opens a ring buffer for reading. A map must have one reader only. The map may be closed afterwards. */
export const openRingBuffer = (map: BpfMap, options: RingBufferOptions = {}): RingBuffer => {
  const action = `opening the ring buffer on map '${map.info.name}'`;
  if (map.info.type !== 'ringbuf') throw new TypeError(`map: expected a map of type ringbuf, '${map.info.name}' is a ${map.info.type}`);
  const settings = Uint32Array.of(
    checkInteger(options.pollIntervalMs ?? 20, 'options.pollIntervalMs', 1, 60_000),
    checkInteger(options.batchBytes ?? 1 << 18, 'options.batchBytes', 4096, 1 << 26),
    checkInteger(options.highWater ?? 64, 'options.highWater', 1, 1 << 16),
  );
  return new RingBuffer(unwrap(native().ringOpen(map.handle(action), settings), action, { syscall: 'mmap' }), map.info.name, options.keepAlive ?? false);
};
