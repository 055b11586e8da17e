/** The seeds of a cluster, the same on all of its nodes, so that every node chooses the same backend. */
export interface HashSeed {
  /** Of the permutations that Maglev tables are made from. */
  readonly maglev: number;
  /** Of `service_hash`; the datapath's setting `service_seed`. */
  readonly service: number;
}

/** Cilium's default of `bpf-lb-maglev-hash-seed`. */
export const DEFAULT_HASH_SEED = 'JLfvgnHc2kaSUFaI';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * The seeds in Cilium's setting `bpf-lb-maglev-hash-seed`: base64 of 12 bytes, the first four for Maglev, the next four
 * for the choice in the packet path, both big-endian. `undefined` for other text.
 */
export function parseHashSeed(text: string): HashSeed | undefined {
  if (!/^[A-Za-z0-9+/]{16}$/.test(text)) return undefined;
  const bytes: number[] = [];
  for (let at = 0; at < 16; at += 4) {
    let group = 0;
    for (const letter of text.slice(at, at + 4)) group = group * 64 + ALPHABET.indexOf(letter);
    bytes.push(group >>> 16, (group >>> 8) & 0xff, group & 0xff);
  }
  const view = new DataView(Uint8Array.from(bytes).buffer);
  return { maglev: view.getUint32(0), service: view.getUint32(4) };
}
