/*
 * Numbers of 64 bits are pairs of 32-bit words in a Uint32Array, low word first: BigInt would cost ten times as much,
 * and one Maglev table hashes up to a thousand texts.
 */

/** Two 64-bit halves of a hash, each as low and high 32-bit word. */
export type Hash128 = readonly [low1: number, high1: number, low2: number, high2: number];

const H1 = 0;
const H2 = 2;
const K1 = 4;
const K2 = 6;

/** Constants of MurmurHash3_x64_128 (Austin Appleby, public domain), low word first. */
const C1 = [0x114253d5, 0x87c37b91] as const;
const C2 = [0x2745937f, 0x4cf5ad43] as const;
const FINAL_1 = [0xed558ccd, 0xff51afd7] as const;
const FINAL_2 = [0x1a85ec53, 0xc4ceb9fe] as const;

/** MurmurHash3 (x64, 128 bits) of the bytes with a 32-bit seed. */
export function murmur3x128(bytes: Uint8Array, seed: number): Hash128 {
  const s = new Uint32Array(8);
  s[H1] = seed;
  s[H2] = seed;
  const blocks = bytes.length & ~15;
  for (let at = 0; at < blocks; at += 16) mixBlock(s, bytes, at);
  mixTail(s, bytes, blocks);
  s[H1] = s[H1]! ^ bytes.length;
  s[H2] = s[H2]! ^ bytes.length;
  add(s, H1, H2);
  add(s, H2, H1);
  finish(s, H1);
  finish(s, H2);
  add(s, H1, H2);
  add(s, H2, H1);
  return [s[0]!, s[1]!, s[2]!, s[3]!];
}

function mixBlock(s: Uint32Array, bytes: Uint8Array, at: number): void {
  for (let word = 0; word < 4; word++) s[K1 + word] = readWord(bytes, at + word * 4);
  mixKey1(s);
  rotate(s, H1, 27);
  add(s, H1, H2);
  multiplyBy5AndAdd(s, H1, 0x52dce729);
  mixKey2(s);
  rotate(s, H2, 31);
  add(s, H2, H1);
  multiplyBy5AndAdd(s, H2, 0x38495ab5);
}

/** The last 0–15 bytes, zeros standing for the missing ones; a key that has no byte stays out. */
function mixTail(s: Uint32Array, bytes: Uint8Array, at: number): void {
  const rest = bytes.length - at;
  for (let word = 0; word < 4; word++) s[K1 + word] = readWord(bytes, at + word * 4);
  if (rest > 8) mixKey2(s);
  if (rest > 0) mixKey1(s);
}

function readWord(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[index] ?? 0;
  return byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
}

function mixKey1(s: Uint32Array): void {
  multiply(s, K1, C1);
  rotate(s, K1, 31);
  multiply(s, K1, C2);
  xor(s, H1, K1);
}

function mixKey2(s: Uint32Array): void {
  multiply(s, K2, C2);
  rotate(s, K2, 33);
  multiply(s, K2, C1);
  xor(s, H2, K2);
}

function finish(s: Uint32Array, a: number): void {
  shiftXor33(s, a);
  multiply(s, a, FINAL_1);
  shiftXor33(s, a);
  multiply(s, a, FINAL_2);
  shiftXor33(s, a);
}

function shiftXor33(s: Uint32Array, a: number): void {
  s[a] = s[a]! ^ (s[a + 1]! >>> 1);
}

function xor(s: Uint32Array, a: number, b: number): void {
  s[a] = s[a]! ^ s[b]!;
  s[a + 1] = s[a + 1]! ^ s[b + 1]!;
}

function add(s: Uint32Array, a: number, b: number): void {
  const low = s[a]! + s[b]!;
  s[a + 1] = s[a + 1]! + s[b + 1]! + (low > 0xffffffff ? 1 : 0);
  s[a] = low;
}

/** 1 ≤ bits ≤ 63, not 32. */
function rotate(s: Uint32Array, a: number, bits: number): void {
  const swap = bits > 32;
  const low = swap ? s[a + 1]! : s[a]!;
  const high = swap ? s[a]! : s[a + 1]!;
  const n = bits & 31;
  s[a] = (low << n) | (high >>> (32 - n));
  s[a + 1] = (high << n) | (low >>> (32 - n));
}

function multiplyBy5AndAdd(s: Uint32Array, a: number, summand: number): void {
  // Both stay below 2^36: exact.
  const low = s[a]! * 5 + summand;
  s[a + 1] = s[a + 1]! * 5 + Math.floor(low / 0x100000000);
  s[a] = low;
}

function multiply(s: Uint32Array, a: number, [low, high]: readonly [number, number]): void {
  const x = s[a]!;
  const y = s[a + 1]!;
  s[a + 1] = highProduct(x, low) + Math.imul(x, high) + Math.imul(y, low);
  s[a] = Math.imul(x, low);
}

/** The upper 32 bits of a 32 × 32 bit product. */
function highProduct(x: number, y: number): number {
  const xl = x & 0xffff;
  const xh = x >>> 16;
  const yl = y & 0xffff;
  const yh = y >>> 16;
  const middle = xh * yl + Math.floor((xl * yl) / 0x10000);
  const other = xl * yh + (middle % 0x10000);
  return xh * yh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
}
