import type { ChangeBatch, ChangeFeed } from './change-feed.ts';
import { createChangeFeed } from './change-feed.ts';

/** How to subscribe. */
export interface ChangesOptions {
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
  /** Whether a first batch has the records that are there already; true by default. */
  readonly initial?: boolean;
}

/** Reading a table. */
export interface TableReader<R, I extends string = string> {
  readonly name: string;
  /** Grows with every change of a record. */
  readonly revision: number;
  readonly size: number;
  get(key: string): R | undefined;
  has(key: string): boolean;
  /** The revision of the record's last change, or undefined if there is no such record. */
  revisionOf(key: string): number | undefined;
  /** All records, in order of first insertion. */
  all(): Iterable<R>;
  keys(): Iterable<string>;
  /** The records that the index files under `value`, in order of insertion there. */
  by(index: I, value: string): readonly R[];
  /**
   * What changes from the start of the loop on, in batches. Every batch has what happened since the one before; changes
   * of one key are merged, so that a slow reader misses intermediate states and never the last one. Frees everything
   * when the loop ends.
   */
  changes(options?: ChangesOptions): AsyncIterable<ChangeBatch<R>>;
}

/** A keyed set of immutable records with indexes, a revision, and change feeds. */
export interface Table<R, I extends string = string> extends TableReader<R, I> {
  /** Adds or replaces the record; false if an equal one is there already, and nothing changed. */
  upsert(record: R): boolean;
  /** Removes the record; false if there is none. */
  delete(key: string): boolean;
  /** Makes the table hold exactly these records; how many changed. Of two with the same key the later one counts. */
  replaceAll(records: Iterable<R>): number;
}

/** What a table is made of. */
export interface TableOptions<R, I extends string> {
  readonly name: string;
  /** The key of a record; depends on nothing but the record. */
  readonly key: (record: R) => string;
  /** Indexes by name: the values that a record is filed under. */
  readonly indexes?: Readonly<Record<I, (record: R) => Iterable<string>>>;
  /** Whether two records with the same key say the same; `Object.is` by default. */
  readonly equals?: (a: R, b: R) => boolean;
}

/** An empty table. */
export function createTable<R extends object, I extends string = never>(options: TableOptions<R, I>): Table<R, I> {
  return new FeedingTable(options);
}

type Index<R> = { readonly values: (record: R) => Iterable<string>; readonly filed: Map<string, Map<string, R>> };

class FeedingTable<R extends object, I extends string> implements Table<R, I> {
  readonly name: string;
  readonly #options: TableOptions<R, I>;
  readonly #entries = new Map<string, { readonly record: R; readonly revision: number }>();
  readonly #indexes = new Map<string, Index<R>>();
  readonly #feeds = new Set<ChangeFeed<R>>();
  #revision = 0;

  constructor(options: TableOptions<R, I>) {
    this.name = options.name;
    this.#options = options;
    const indexes = Object.entries(options.indexes ?? {}) as [string, (record: R) => Iterable<string>][];
    for (const [name, values] of indexes) this.#indexes.set(name, { values, filed: new Map() });
  }

  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): R | undefined {
    return this.#entries.get(key)?.record;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  revisionOf(key: string): number | undefined {
    return this.#entries.get(key)?.revision;
  }

  *all(): Iterable<R> {
    for (const { record } of this.#entries.values()) yield record;
  }

  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  by(index: I, value: string): readonly R[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new TypeError(`index: table ${this.name} has no index ${JSON.stringify(index)}`);
    return [...(found.filed.get(value)?.values() ?? [])];
  }

  upsert(record: R): boolean {
    const key = this.#options.key(record);
    const before = this.get(key);
    if (before !== undefined && (this.#options.equals ?? Object.is)(before, record)) return false;
    this.#change(key, before, record);
    return true;
  }

  delete(key: string): boolean {
    const before = this.get(key);
    if (before === undefined) return false;
    this.#change(key, before, undefined);
    return true;
  }

  replaceAll(records: Iterable<R>): number {
    const wanted = new Map<string, R>();
    for (const record of records) wanted.set(this.#options.key(record), record);
    let changed = 0;
    for (const key of [...this.#entries.keys()]) if (!wanted.has(key) && this.delete(key)) changed++;
    for (const record of wanted.values()) if (this.upsert(record)) changed++;
    return changed;
  }

  async *changes({ signal, initial = true }: ChangesOptions = {}): AsyncGenerator<ChangeBatch<R>, void> {
    const known = initial ? Array.from(this.#entries, ([key, { record }]) => ({ key, before: undefined, after: record })) : undefined;
    const feed = createChangeFeed<R>(known);
    this.#feeds.add(feed);
    try {
      yield* feed.batches(() => this.#revision, signal);
    } finally {
      this.#feeds.delete(feed);
    }
  }

  #change(key: string, before: R | undefined, after: R | undefined): void {
    this.#revision++;
    if (after === undefined) this.#entries.delete(key);
    else this.#entries.set(key, { record: after, revision: this.#revision });
    for (const { values, filed } of this.#indexes.values()) {
      if (before !== undefined) for (const value of values(before)) unfile(filed, value, key);
      if (after === undefined) continue;
      for (const value of values(after)) {
        const records = filed.get(value) ?? new Map<string, R>();
        filed.set(value, records.set(key, after));
      }
    }
    for (const feed of this.#feeds) feed.push({ key, before, after });
  }
}

function unfile<R>(filed: Map<string, Map<string, R>>, value: string, key: string): void {
  const records = filed.get(value);
  records?.delete(key);
  if (records?.size === 0) filed.delete(value);
}
