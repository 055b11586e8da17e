import { MAX_ROW_LENGTH, VERDICT_ACTIONS } from '@cilium-ts/datapath-layout';
import type { PolicyRowShape, RowVerdictShape } from '../state/desired.ts';

const words = new WeakMap<PolicyRowShape, readonly bigint[]>();
const keys = new WeakMap<PolicyRowShape, string>();

/** Whether a row is longer than the binary search of the programs reaches. */
export function rowTooLong(row: PolicyRowShape): boolean {
  return row.boundaries.length > MAX_ROW_LENGTH;
}

/** The 64-bit words of a row as they lie in cilium_rows: `start` in the low half, the verdict in the high one. */
export function boundaryWords(row: PolicyRowShape): readonly bigint[] {
  const known = words.get(row);
  if (known !== undefined) return known;
  const made = row.boundaries.map(({ start, verdict }) => (BigInt(verdictWord(verdict)) << 32n) | BigInt(start));
  words.set(row, made);
  return made;
}

/** The content of a row as text: equal for equal rows, whichever process made them. */
export function rowKey(row: PolicyRowShape): string {
  const known = keys.get(row);
  if (known !== undefined) return known;
  const key = boundaryWords(row).join();
  keys.set(row, key);
  return key;
}

/** A verdict as the programs read it: action in bits 0–7, match type in 8–15, in 16–31 the proxy port, 0: there is none. */
export function verdictWord(verdict: RowVerdictShape): number {
  return (VERDICT_ACTIONS[verdict.action] | (verdict.match << 8)) >>> 0;
}
