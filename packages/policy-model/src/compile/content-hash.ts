interface Constants {
  /** Round constants (FIPS 180-4, section 4.2.2): fractions of the cube roots of the first 64 primes. */
  readonly round: Uint32Array;
  /** Initial state (section 5.3.3): fractions of the square roots of the first eight primes. */
  readonly initial: Uint32Array;
}

let known: Constants | undefined;

function constants(): Constants {
  if (known !== undefined) return known;
  const round = new Uint32Array(64);
  const initial = new Uint32Array(8);
  for (let candidate = 2, found = 0; found < 64; candidate++) {
    if (!isPrime(candidate)) continue;
    if (found < 8) initial[found] = fraction(candidate, 2n);
    round[found++] = fraction(candidate, 3n);
  }
  return (known = { round, initial });
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}

/** The first 32 bits of the fraction of the root of `n`, exactly: the integer root of n·2^(32·degree), modulo 2^32. */
function fraction(n: number, degree: 2n | 3n): number {
  const target = BigInt(n) << (32n * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn);
}

/**
 * SHA-256 of the text in hexadecimal. Here because this package runs where there is no `node:crypto`, and WebCrypto
 * answers asynchronously only. Names content so that nobody who writes policies can make two contents share a name.
 */
export function contentHash(text: string): string {
  const message = padded(new TextEncoder().encode(text));
  const { round, initial } = constants();
  const state = initial.slice();
  const words = new Uint32Array(64);
  for (let offset = 0; offset < message.byteLength; offset += 64) {
    for (let i = 0; i < 16; i++) words[i] = message.getUint32(offset + i * 4);
    compress(state, words, round);
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('');
}

function padded(bytes: Uint8Array): DataView {
  const buffer = new Uint8Array(((bytes.length + 8) >> 6 << 6) + 64);
  buffer.set(bytes);
  buffer[bytes.length] = 0x80;
  const view = new DataView(buffer.buffer);
  view.setBigUint64(buffer.length - 8, BigInt(bytes.length) * 8n);
  return view;
}

const rotate = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** One block (section 6.2.2). Written without arrays for the working variables: this is what makes it fast. */
function compress(state: Uint32Array, words: Uint32Array, round: Uint32Array): void {
  for (let i = 16; i < 64; i++) {
    const w15 = words[i - 15]!;
    const w2 = words[i - 2]!;
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    words[i] = (words[i - 16]! + s0 + words[i - 7]! + s1) | 0;
  }
  let a = state[0]! | 0;
  let b = state[1]! | 0;
  let c = state[2]! | 0;
  let d = state[3]! | 0;
  let e = state[4]! | 0;
  let f = state[5]! | 0;
  let g = state[6]! | 0;
  let h = state[7]! | 0;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + round[i]! + words[i]!) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  const sums = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = state[i]! + sums[i]!;
}
