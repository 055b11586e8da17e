import type { Hash128 } from '../hash/murmur3-128.ts';
import { murmur3x128 } from '../hash/murmur3-128.ts';
import { MAGLEV_TABLE_SIZES } from './table-sizes.ts';

/** A backend as Maglev sees it. */
export interface MaglevBackend {
  /** What is hashed, {@link maglevName}; the same on every node, different for every backend. */
  readonly name: string;
  /** Share of the table relative to the others: a positive integer. */
  readonly weight: number;
}

/** How to make a table. */
export interface MaglevOptions {
  /** One of {@link MAGLEV_TABLE_SIZES}. */
  readonly size: number;
  /** The cluster's seed, 32 bits. */
  readonly seed: number;
}

/** The text that Cilium hashes for a backend: `[10.0.0.1:80/TCP,State:active]`, IPv6 addresses in brackets. */
export function maglevName(address: { readonly family: 4 | 6; readonly text: string }, port: number, protocol: string): string {
  const host = address.family === 6 ? `[${address.text}]` : address.text;
  return `[${host}:${port}/${protocol},State:active]`;
}

/**
 * The Maglev table: for each place the position in `backends` of the backend that has it. It depends on the set of
 * backends, not on their order, so that nodes agree without talking. When a backend comes or goes, few places that are
 * not its own change. Throws RangeError for other sizes and weights, and for more backends than places.
 */
export function maglevTable(backends: readonly MaglevBackend[], { size, seed }: MaglevOptions): Uint32Array {
  if (!MAGLEV_TABLE_SIZES.includes(size)) throw new RangeError(`size: expected one of ${MAGLEV_TABLE_SIZES.join(', ')}, got ${size}`);
  if (backends.length > size) throw new RangeError(`backends: a table of ${size} places cannot hold ${backends.length} backends`);
  if (backends.length === 0) return new Uint32Array(0);
  const order = Uint32Array.from(backends.keys()).sort((a, b) => compareNames(backends[a]!.name, backends[b]!.name));
  const weights = Array.from(order, (index) => weightOf(backends[index]!));
  const walks = permutations(order, backends, seed, size);
  const table = weights.every((weight) => weight === weights[0]) ? fillEvenly(walks, size) : fillByWeight(walks, size, weights);
  for (let place = 0; place < size; place++) table[place] = order[table[place]!]!;
  return table;
}

/** Each backend's order of preference: places `next`, `next + skip`, …, modulo the size. */
interface Walks {
  readonly next: Uint32Array;
  readonly skip: Uint32Array;
}

/** By code units, which is by bytes for the characters of addresses. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function weightOf({ name, weight }: MaglevBackend): number {
  if (!Number.isInteger(weight) || weight < 1) throw new RangeError(`backends: the weight of ${name} must be a positive integer, got ${weight}`);
  return weight;
}

function permutations(order: Uint32Array, backends: readonly MaglevBackend[], seed: number, size: number): Walks {
  const next = new Uint32Array(order.length);
  const skip = new Uint32Array(order.length);
  const encoder = new TextEncoder();
  order.forEach((index, position) => {
    const hash: Hash128 = murmur3x128(encoder.encode(backends[index]!.name), seed);
    next[position] = remainder(hash[0], hash[1], size);
    skip[position] = remainder(hash[2], hash[3], size - 1) + 1;
  });
  return { next, skip };
}

/** A 64-bit number modulo one of at most 2^17: every step stays below 2^53. */
function remainder(low: number, high: number, modulus: number): number {
  return ((high % modulus) * 0x100000000 + low) % modulus;
}

const FREE = 0xffffffff;

/** Backends take turns, each the next free place in its order. */
function fillEvenly(walks: Walks, size: number): Uint32Array {
  const table = new Uint32Array(size).fill(FREE);
  const count = walks.next.length;
  for (let taken = 0, turn = 0; taken < size; taken++) {
    takePlace(table, walks, turn);
    turn = turn + 1 === count ? 0 : turn + 1;
  }
  return table;
}

/** As {@link fillEvenly}, but a backend that has had its share so far misses its turn. */
function fillByWeight(walks: Walks, size: number, weights: readonly number[]): Uint32Array {
  const table = new Uint32Array(size).fill(FREE);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const has = new Uint32Array(weights.length);
  for (let taken = 0, turn = 0; taken < size; turn = turn + 1 === weights.length ? 0 : turn + 1) {
    // Somebody is always below its share of the next place, since the shares add up to it.
    if (has[turn]! * total >= (taken + 1) * weights[turn]!) continue;
    takePlace(table, walks, turn);
    has[turn] = has[turn]! + 1;
    taken++;
  }
  return table;
}

function takePlace(table: Uint32Array, { next, skip }: Walks, turn: number): void {
  const size = table.length;
  let place = next[turn]!;
  const step = skip[turn]!;
  while (table[place] !== FREE) {
    place += step;
    if (place >= size) place -= size;
  }
  table[place] = turn;
  next[turn] = place;
}
