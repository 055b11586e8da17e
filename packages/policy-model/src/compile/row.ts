import { MAX_PORT } from '../model/protocol.ts';
import type { RuleSet } from '../model/rule-set.ts';
import type { AuthenticationMode } from '../model/rule.ts';
import type { MatchType, RowAction } from '../model/verdict.ts';

export type { MatchType, RowAction } from '../model/verdict.ts';
export { MATCH_TYPE } from '../model/verdict.ts';

/** What a row says about one position. */
export interface RowVerdict {
  readonly action: RowAction;
  readonly match: MatchType;
  /** What a proxy has to check of an allowed connection besides. */
  readonly ruleSet?: RuleSet;
  /** Of the peers; asked for by rules and not enforced. */
  readonly authentication?: AuthenticationMode;
  /** Texts that the deciding rules give to verdicts, sorted. */
  readonly log?: readonly string[];
}

/** The beginning of a run of positions with the same verdict; the run reaches to the next boundary. */
export interface RowBoundary {
  /** {@link rowPosition} of the first protocol and port of the run. */
  readonly start: number;
  readonly verdict: RowVerdict;
}

/**
 * The verdicts of one direction for one peer, for every protocol and port. Positions are `protocol * 65536 + port`;
 * for ICMP and ICMPv6 the type takes the port's place, and for every other protocol only port 0 is ever looked up,
 * so that such a protocol has one verdict. Interned: rows with the same content are the same object.
 */
export interface PolicyRow {
  /** Canonical content. */
  readonly key: string;
  /** Ascending, the first at 0, neighbours with different verdicts; 1 to {@link MAX_ROW_BOUNDARIES}. */
  readonly boundaries: readonly RowBoundary[];
  /** Those that its verdicts name, once each. */
  readonly ruleSets: readonly RuleSet[];
}

/** Positions that one protocol takes. */
export const POSITIONS_PER_PROTOCOL = MAX_PORT + 1;

/** Positions of a row: 256 protocols. */
export const ROW_POSITIONS = 256 * POSITIONS_PER_PROTOCOL;

/** What the datapath's binary search covers in its 11 steps. */
export const MAX_ROW_BOUNDARIES = 1024;

/** The position of a packet; `port` is the destination port or the ICMP type, 0 for protocols with neither. */
export function rowPosition(protocol: number, port: number): number {
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) throw new RangeError(`protocol: expected 0 to 255, got ${protocol}`);
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) throw new RangeError(`port: expected 0 to ${MAX_PORT}, got ${port}`);
  return protocol * POSITIONS_PER_PROTOCOL + port;
}

/** The verdict that the datapath finds in the row. */
export function lookupRow(row: PolicyRow, protocol: number, port: number): RowVerdict {
  const position = rowPosition(protocol, port);
  let low = 0;
  let high = row.boundaries.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (row.boundaries[middle]!.start <= position) low = middle;
    else high = middle - 1;
  }
  return row.boundaries[low]!.verdict;
}
