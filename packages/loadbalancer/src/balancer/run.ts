import { maglevName, maglevTable } from '../maglev/maglev-table.ts';
import type { Protocol } from '../model/protocol.ts';
import type { Candidate } from '../plan/candidates.ts';
import type { Settings } from '../plan/options.ts';
import { weightedCounts } from '../plan/weighted-sequence.ts';

/** The run of a random choice: each index as often as its backend's weight says. */
export function sequenceRun(chosen: readonly Candidate[], indexes: readonly number[]): Uint32Array {
  if (chosen.every(({ weight }) => weight === chosen[0]?.weight)) return Uint32Array.from(indexes);
  const counts = weightedCounts(chosen.map(({ weight }) => weight));
  return Uint32Array.from(indexes.flatMap((index, position) => new Array<number>(counts[position]!).fill(index)));
}

/** The run of a choice by Maglev. */
export function tableRun(chosen: readonly Candidate[], indexes: readonly number[], protocol: Protocol, settings: Settings): Uint32Array {
  const backends = chosen.map(({ address, port, weight }) => ({ name: maglevName(address, port, protocol), weight }));
  const table = maglevTable(backends, { size: settings.maglevTableSize, seed: settings.seed.maglev });
  return table.map((position) => indexes[position]!);
}

/** Keeps count of the places that all runs take together. */
export interface RunSpace {
  /** Whether a run of `length` has a place once one of `before` has given up its own. */
  fits(before: number, length: number): boolean;
  change(before: number, length: number): void;
}

/** Room for `limit` indexes; runs begin at even places, so that odd ones take one more. */
export function createRunSpace(limit: number): RunSpace {
  let used = 0;
  const even = (length: number): number => length + (length & 1);
  return {
    fits: (before, length) => used - even(before) + even(length) <= limit,
    change(before, length) {
      used += even(length) - even(before);
    },
  };
}
