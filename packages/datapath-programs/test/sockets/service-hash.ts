/** The twin of service_hash() in bpf/lib/services.h: MurmurHash3 of client (16 bytes), ports as in the packet, protocol. */
export function serviceHash(seed: number, client: Uint8Array, ports: { readonly source: number; readonly destination: number }, protocol: number): number {
  const view = new DataView(client.buffer, client.byteOffset, 16);
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint16(0, ports.source);
  bytes.setUint16(2, ports.destination);
  const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true)).concat(bytes.getUint32(0, true), protocol);
  let hash = words.reduce(mixWord, seed);
  hash ^= 24;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixWord(hash: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0xcc9e_2d51), 15), 0x1b87_3593);
  return (Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe654_6b64) | 0;
}

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** The place in a run of this length. */
export const runPosition = (hash: number, length: number): number => Math.floor((hash * length) / 2 ** 32);
