import { BpfMapsError, type RawMap } from '@cilium-ts/bpf-maps';

interface Element {
  key: string;
  value: Uint8Array;
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/**
 * A hash as the kernel keeps one: a deleted or replaced element is handed out again at once, while a reader that
 * found it before still holds it. `find` and `peek` are what a program does: the look-up, and the read after it.
 */
export class SlabHash implements RawMap {
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly #elements: Element[] = [];
  readonly #free: number[] = [];
  readonly #index = new Map<string, number>();
  readonly #step: (operation: string) => void;
  readonly name: string;

  constructor(name: string, sizes: { keySize: number; valueSize: number; maxEntries: number }, step: (operation: string) => void) {
    this.name = name;
    this.keySize = sizes.keySize;
    this.valueSize = sizes.valueSize;
    this.maxEntries = sizes.maxEntries;
    this.#step = step;
  }

  get size(): number {
    return this.#index.size;
  }

  find(key: Uint8Array): number | undefined {
    return this.#index.get(textOf(key));
  }

  peek(element: number): Uint8Array {
    return this.#elements[element]?.value ?? new Uint8Array(this.valueSize);
  }

  lookup(key: Uint8Array): Uint8Array | undefined {
    const element = this.find(key);
    return element === undefined ? undefined : this.peek(element).slice();
  }

  update(key: Uint8Array, value: Uint8Array): void {
    this.#step(`${this.name}.update`);
    const text = textOf(key);
    const old = this.#index.get(text);
    if (old === undefined && this.#index.size >= this.maxEntries) throw new BpfMapsError('E2BIG', `update ${this.name}: full`);
    const element = this.#free.pop() ?? this.#elements.length;
    this.#elements[element] = { key: text, value: value.slice() };
    this.#index.set(text, element);
    if (old !== undefined) this.#free.push(old);
  }

  delete(key: Uint8Array): boolean {
    this.#step(`${this.name}.delete`);
    const text = textOf(key);
    const element = this.#index.get(text);
    if (element === undefined) return false;
    this.#index.delete(text);
    this.#free.push(element);
    return true;
  }

  *entries(): Iterable<[Uint8Array, Uint8Array]> {
    for (const [text, element] of [...this.#index]) yield [bytesOf(text), this.peek(element).slice()];
  }

  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.update(keys.slice(i * this.keySize, (i + 1) * this.keySize), values.slice(i * this.valueSize, (i + 1) * this.valueSize));
  }

  deleteBatch(keys: Uint8Array, count: number): number {
    let deleted = 0;
    for (let i = 0; i < count; i++) if (this.delete(keys.slice(i * this.keySize, (i + 1) * this.keySize))) deleted++;
    return deleted;
  }

  close(): void {
    /* memory needs no closing */
  }
}
