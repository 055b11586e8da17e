import type { Cidr, IpAddress } from '@cilium-ts/core';
import { addressBits } from '@cilium-ts/core';

interface Node<V> {
  readonly bytes: Uint8Array;
  readonly length: number;
  entry: { readonly prefix: Cidr; value: V } | undefined;
  readonly children: [Node<V> | undefined, Node<V> | undefined];
}

const bitAt = (bytes: Uint8Array, index: number): 0 | 1 => ((bytes[index >> 3]! >> (7 - (index & 7))) & 1) as 0 | 1;

/** How many leading bits are the same, at most `limit`. */
function commonBits(a: Uint8Array, b: Uint8Array, limit: number): number {
  for (let i = 0; i * 8 < limit; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return Math.min(limit, i * 8 + Math.clz32(difference) - 24);
  }
  return limit;
}

/** A map from prefixes to values that can be searched along containment; families are apart. */
export interface PrefixTrie<V> {
  readonly size: number;
  get(prefix: Cidr): V | undefined;
  set(prefix: Cidr, value: V): void;
  delete(prefix: Cidr): boolean;
  /** Values of the prefixes that contain `inner`, itself included; shortest first. */
  covering(inner: Cidr | IpAddress): V[];
  /** Values of the prefixes inside of `outer`, itself included; in order of address, shorter before longer. */
  within(outer: Cidr): V[];
  /** All values, IPv4 first, each family in order of address, shorter before longer. */
  values(): V[];
}

/** An empty trie. Operations take steps in proportion to the depth, which is at most the number of address bits. */
export function createPrefixTrie<V>(): PrefixTrie<V> {
  return new RadixTrie<V>();
}

class RadixTrie<V> implements PrefixTrie<V> {
  readonly #roots: Record<4 | 6, Node<V>> = { 4: emptyNode(new Uint8Array(4), 0), 6: emptyNode(new Uint8Array(16), 0) };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(prefix: Cidr): V | undefined {
    const node = this.#nearest(prefix);
    return node.length === prefix.prefixLength ? node.entry?.value : undefined;
  }

  set(prefix: Cidr, value: V): void {
    const node = this.#makeNode(prefix);
    if (node.entry === undefined) this.#size++;
    node.entry = { prefix, value };
  }

  delete(prefix: Cidr): boolean {
    const path = this.#path(prefix.family, prefix.address.bytes, prefix.prefixLength);
    const node = path.at(-1)!;
    if (node.length !== prefix.prefixLength || node.entry === undefined) return false;
    node.entry = undefined;
    this.#size--;
    // A node without entry stays only where two branches meet; taking this one away can leave its parent with one.
    for (let i = path.length - 1; i > 0; i--) {
      const [zero, one] = path[i]!.children;
      if (path[i]!.entry !== undefined || (zero !== undefined && one !== undefined)) break;
      path[i - 1]!.children[bitAt(path[i]!.bytes, path[i - 1]!.length)] = zero ?? one;
    }
    return true;
  }

  covering(inner: Cidr | IpAddress): V[] {
    const isPrefix = 'prefixLength' in inner;
    const bytes = isPrefix ? inner.address.bytes : inner.bytes;
    const length = isPrefix ? inner.prefixLength : addressBits(inner.family);
    const values: V[] = [];
    for (const { entry } of this.#path(inner.family, bytes, length)) if (entry !== undefined) values.push(entry.value);
    return values;
  }

  within(outer: Cidr): V[] {
    const { bytes } = outer.address;
    const last = this.#nearest(outer);
    if (last.length === outer.prefixLength) return allOf(last);
    const child = last.children[bitAt(bytes, last.length)];
    if (child === undefined || child.length < outer.prefixLength) return [];
    return commonBits(child.bytes, bytes, outer.prefixLength) === outer.prefixLength ? allOf(child) : [];
  }

  values(): V[] {
    return [...allOf(this.#roots[4]), ...allOf(this.#roots[6])];
  }

  /** The nodes from the root down whose prefixes contain the given one; never empty. */
  #path(family: 4 | 6, bytes: Uint8Array, length: number): Node<V>[] {
    const path: Node<V>[] = [];
    let node: Node<V> | undefined = this.#roots[family];
    while (node !== undefined && node.length <= length && commonBits(node.bytes, bytes, node.length) === node.length) {
      path.push(node);
      node = node.length === length ? undefined : node.children[bitAt(bytes, node.length)];
    }
    return path;
  }

  /** The last node of that path, without making a list. */
  #nearest({ family, address: { bytes }, prefixLength }: Cidr): Node<V> {
    let node = this.#roots[family];
    while (node.length < prefixLength) {
      const child = node.children[bitAt(bytes, node.length)];
      if (child === undefined || child.length > prefixLength) break;
      if (commonBits(child.bytes, bytes, child.length) < child.length) break;
      node = child;
    }
    return node;
  }

  /** The node of the prefix, made if it is missing. */
  #makeNode(prefix: Cidr): Node<V> {
    const { bytes } = prefix.address;
    const length = prefix.prefixLength;
    const parent = this.#nearest(prefix);
    if (parent.length === length) return parent;
    const side = bitAt(bytes, parent.length);
    const child = parent.children[side];
    const node = emptyNode<V>(bytes, length);
    if (child === undefined) {
      parent.children[side] = node;
      return node;
    }
    const common = commonBits(child.bytes, bytes, Math.min(child.length, length));
    if (common === length) {
      node.children[bitAt(child.bytes, length)] = child;
      parent.children[side] = node;
      return node;
    }
    const fork = emptyNode<V>(bytes, common);
    fork.children[bitAt(child.bytes, common)] = child;
    fork.children[bitAt(bytes, common)] = node;
    parent.children[side] = fork;
    return node;
  }
}

function emptyNode<V>(bytes: Uint8Array, length: number): Node<V> {
  return { bytes, length, entry: undefined, children: [undefined, undefined] };
}

/** The values at and below a node. Iterative: a chain can be as deep as an address has bits. */
function allOf<V>(start: Node<V>): V[] {
  const values: V[] = [];
  const stack = [start];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.entry !== undefined) values.push(node.entry.value);
    const [zero, one] = node.children;
    if (one !== undefined) stack.push(one);
    if (zero !== undefined) stack.push(zero);
  }
  return values;
}
