/** MurmurHash3 (x86, 32 bits) as its definition reads, in BigInt: an independent twin of what is tested. */
export function murmur3x86(bytes: Uint8Array, seed: number): number {
  const mask = 0xffffffffn;
  const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (32n - bits))) & mask;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hash = BigInt(seed);
  for (let at = 0; at < bytes.length; at += 4) {
    const key = (rotate((BigInt(view.getUint32(at, true)) * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask;
    hash = (rotate(hash ^ key, 13n) * 5n + 0xe6546b64n) & mask;
  }
  hash ^= BigInt(bytes.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
}

/** MurmurHash3 (x64, 128 bits) likewise; both halves. */
export function murmur3x64(bytes: Uint8Array, seed: number): readonly [bigint, bigint] {
  const mask = 0xffffffffffffffffn;
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];
  const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & mask;
  const read = (at: number): bigint => {
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
    return value;
  };
  let [h1, h2] = [BigInt(seed), BigInt(seed)];
  const first = (at: number): bigint => (rotate((read(at) * c1) & mask, 31n) * c2) & mask;
  const second = (at: number): bigint => (rotate((read(at) * c2) & mask, 33n) * c1) & mask;
  const whole = bytes.length & ~15;
  for (let at = 0; at < whole; at += 16) {
    h1 = (((rotate(h1 ^ first(at), 27n) + h2) & mask) * 5n + 0x52dce729n) & mask;
    h2 = (((rotate(h2 ^ second(at + 8), 31n) + h1) & mask) * 5n + 0x38495ab5n) & mask;
  }
  if (bytes.length - whole > 8) h2 ^= second(whole + 8);
  if (bytes.length > whole) h1 ^= first(whole);
  const length = BigInt(bytes.length);
  h1 = ((h1 ^ length) + (h2 ^ length)) & mask;
  h2 = ((h2 ^ length) + h1) & mask;
  const mix = (value: bigint): bigint => {
    let h = ((value ^ (value >> 33n)) * 0xff51afd7ed558ccdn) & mask;
    h = ((h ^ (h >> 33n)) * 0xc4ceb9fe1a85ec53n) & mask;
    return h ^ (h >> 33n);
  };
  const [a, b] = [mix(h1), mix(h2)];
  const sum = (a + b) & mask;
  return [sum, (b + sum) & mask];
}
