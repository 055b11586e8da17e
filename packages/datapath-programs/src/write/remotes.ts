import type { WordArray } from '../ports.ts';
import { otherParity, type Parity } from './cells.ts';

/** cilium_remotes: what each index is, under either parity of the epoch. */
export interface Remotes {
  /** How many indexes there are. */
  readonly length: number;
  /** Does anything wait for the next epoch? */
  readonly prepared: boolean;
  /** Changes what an index is, at once. */
  store(index: number, word: bigint): void;
  /** Changes what an index is with the next epoch. `meanwhile`: what a new one is until then. */
  prepare(index: number, word: bigint, meanwhile?: bigint): void;
  /** The epoch has moved: what was prepared is in force. */
  committed(): void;
  /** A grace period after that: nobody reads the halves any more that were in force. */
  settle(): void;
  /** An index is to stand for nothing. */
  forget(index: number): void;
}

/** `parity` tells the half that is in force. */
export function createRemotes(words: WordArray, parity: () => Parity): Remotes {
  const prepared = new Map<number, bigint>();
  const outdated = new Map<number, bigint>();
  const write = (index: number, half: Parity, word: bigint): void => {
    if (words.load(index * 2 + half) !== word) words.store(index * 2 + half, word);
  };
  return {
    length: words.length / 2,
    get prepared() {
      return prepared.size > 0;
    },
    store(index, word) {
      outdated.delete(index);
      write(index, otherParity(parity()), word);
      write(index, parity(), word);
    },
    prepare(index, word, meanwhile) {
      if (meanwhile !== undefined) write(index, parity(), meanwhile);
      write(index, otherParity(parity()), word);
      prepared.set(index, word);
    },
    committed() {
      for (const [index, word] of prepared) outdated.set(index, word);
      prepared.clear();
    },
    settle() {
      for (const [index, word] of outdated) write(index, otherParity(parity()), word);
      outdated.clear();
    },
    forget(index) {
      prepared.delete(index);
      outdated.delete(index);
    },
  };
}
