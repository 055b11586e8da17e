import { MAX_ROW_LENGTH, ROW_COUNT_BITS } from './generated/constants.ts';

const COUNT_MASK = (1 << ROW_COUNT_BITS) - 1;

/** The u32 by which cells and policy entries name a row: where it begins and how many boundaries it has. */
export function rowReference(offset: number, count: number): number {
  if (count < 1 || count > MAX_ROW_LENGTH) throw new RangeError(`count: a row has 1–${MAX_ROW_LENGTH} boundaries, got ${count}`);
  return offset * 2 ** ROW_COUNT_BITS + count;
}

/** Index of the first boundary in cilium_rows. */
export function rowReferenceOffset(reference: number): number {
  return reference >>> ROW_COUNT_BITS;
}

/** How many boundaries the row has; 0 means "no policy". */
export function rowReferenceCount(reference: number): number {
  return reference & COUNT_MASK;
}
