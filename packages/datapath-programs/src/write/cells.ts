import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { cell, cellHalf, cellOffsets, type CellHalf } from '@cilium-ts/datapath-layout';
import type { WordArray } from '../ports.ts';
import type { Slot } from '../state/desired.ts';

const HALF_WORDS = cellHalf.size / 8;
const CELL_WORDS = cell.size / 8;
/** The word with identity and generation: what makes a half active, written last. */
const GENERATION_WORD = 1;

/** 0 or 1: which half of a cell an epoch reads. */
export type Parity = 0 | 1;

/** The half that programs read under an epoch. */
export function parityOf(epoch: bigint): Parity {
  return epoch % 2n === 0n ? 0 : 1;
}

/** The other one. */
export function otherParity(parity: Parity): Parity {
  return parity === 0 ? 1 : 0;
}

/** One half of a slot's cell. */
export function readHalf(cells: WordArray, slot: Slot, parity: Parity): CellHalf {
  const bytes = new Uint8Array(cellHalf.size);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < HALF_WORDS; word++) view.setBigUint64(word * 8, cells.load(wordIndex(slot, parity) + word), true);
  return decodeBytes(cellHalf, bytes);
}

/** Writes a half that no program reads; words that are right already are left alone. */
export function writeHalf(cells: WordArray, slot: Slot, parity: Parity, half: CellHalf): void {
  const view = new DataView(encodeBytes(cellHalf, half).buffer);
  for (const word of [...Array(HALF_WORDS).keys()].filter((index) => index !== GENERATION_WORD).concat(GENERATION_WORD)) {
    const [index, value] = [wordIndex(slot, parity) + word, view.getBigUint64(word * 8, true)];
    if (cells.load(index) !== value) cells.store(index, value);
  }
}

/** Takes a slot out of service at once, under either epoch: one word of each half. */
export function deactivate(cells: WordArray, slot: Slot): void {
  for (const parity of [0, 1] as const) cells.store(wordIndex(slot, parity) + GENERATION_WORD, 0n);
}

/** How many slots the cells have room for. */
export function slotCount(cells: WordArray): number {
  return Math.floor(cells.length / CELL_WORDS);
}

function wordIndex(slot: Slot, parity: Parity): number {
  return slot * CELL_WORDS + cellOffsets.half / 8 + parity * HALF_WORDS;
}
