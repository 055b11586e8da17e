/**
 * Records read from a ring buffer, in the order of their submission. All lie in one buffer; offsets and lengths are
 * given in typed arrays, so that millions of records make no garbage.
 */
export class RingBatch {
  /** How many records. */
  readonly count: number;
  /** The records' bytes, each padded to 8. */
  readonly data: Uint8Array;
  /** Records that were thrown away before this batch because the consumer was too slow. */
  readonly lost: number;
  readonly #index: Uint32Array;

  /** @param index offset and length of each record, in pairs */
  constructor(data: Uint8Array, index: Uint32Array, lost: number) {
    this.data = data;
    this.#index = index;
    this.count = index.length >>> 1;
    this.lost = lost;
  }

  /** Where record i begins in `data`: a multiple of 8. */
  offset(i: number): number {
    return this.#at(i, 0);
  }

  /** Bytes of record i. */
  length(i: number): number {
    return this.#at(i, 1);
  }

  /** Record i, as a view into `data`. */
  record(i: number): Uint8Array {
    const offset = this.#at(i, 0);
    return this.data.subarray(offset, offset + this.#at(i, 1));
  }

  *[Symbol.iterator](): IterableIterator<Uint8Array> {
    for (let i = 0; i < this.count; i++) yield this.record(i);
  }

  #at(i: number, field: 0 | 1): number {
    const value = this.#index[2 * i + field];
    if (value === undefined) throw new RangeError(`i: ${i} is outside 0..${this.count - 1}`);
    return value;
  }
}

/** Several batches as one. */
export const joinBatches = (batches: readonly RingBatch[]): RingBatch => {
  const [only] = batches;
  if (only !== undefined && batches.length === 1) return only;
  const data = new Uint8Array(batches.reduce((sum, batch) => sum + batch.data.length, 0));
  const index = new Uint32Array(2 * batches.reduce((sum, batch) => sum + batch.count, 0));
  let [at, record, lost] = [0, 0, 0];
  for (const batch of batches) {
    data.set(batch.data, at);
    for (let i = 0; i < batch.count; i++, record++) index.set([at + batch.offset(i), batch.length(i)], 2 * record);
    at += batch.data.length;
    lost += batch.lost;
  }
  return new RingBatch(data, index, lost);
};
