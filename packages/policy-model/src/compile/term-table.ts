import type { NamedPort } from '../directory/directory.ts';
import type { NamedTerm, PreparedRule } from './prepared-rule.ts';
import { resolveNamed } from './prepared-rule.ts';
import type { RowTerm } from './row-term.ts';
import type { TermSpace } from './term-space.ts';
import { createTermSpace } from './term-space.ts';

/** The terms of all rules of a direction in order of precedence, and which of them each selector brings. */
export interface TermTable {
  readonly space: TermSpace;
  /** Ranks of what applies to everybody, ascending. */
  readonly any: Int32Array;
  /** By text of the selector: ranks of what applies to those whom it chooses, ascending. */
  readonly bySelector: ReadonlyMap<string, Int32Array>;
  /** Rank of the permission for the node, if there is one. */
  readonly host: number | undefined;
  /** Terms whose ports the peers have named, for everybody and by selector. */
  readonly namedAny: readonly NamedTerm[];
  readonly namedBySelector: ReadonlyMap<string, readonly NamedTerm[]>;
}

/** What a table is made of. */
export interface TermTableInput {
  readonly rules: readonly PreparedRule[];
  /** The ports that the endpoint has named; `undefined`: those of the peers are meant. */
  readonly subjectPorts: readonly NamedPort[] | undefined;
  /** A permission for the node, besides the rules. */
  readonly host: RowTerm | undefined;
}

/** Sorts the terms once for all peers. */
export function createTermTable({ rules, subjectPorts, host }: TermTableInput): TermTable {
  const own = rules.map((prepared) => ({
    prepared,
    any: withNamed(prepared.anyTerms, prepared.namedAnyTerms, subjectPorts),
    peer: withNamed(prepared.peerTerms, prepared.namedPeerTerms, subjectPorts),
  }));
  const all = own.flatMap(({ any, peer }) => [...any, ...peer]);
  const { ranks, ...space } = createTermSpace(host === undefined ? all : [...all, host]);
  const numbers = (list: readonly RowTerm[]): number[] => list.map((term) => ranks.get(term)!);
  const bySelector = new Map<string, number[]>();
  const namedBySelector = new Map<string, NamedTerm[]>();
  for (const { prepared, peer } of own) {
    const mine = numbers(peer);
    for (const { text } of prepared.peers) {
      append(bySelector, text, mine);
      if (subjectPorts === undefined && prepared.namedPeerTerms.length > 0) append(namedBySelector, text, prepared.namedPeerTerms);
    }
  }
  return {
    space,
    any: ascending(own.flatMap(({ any }) => numbers(any))),
    bySelector: new Map(Array.from(bySelector, ([text, list]) => [text, ascending(list)])),
    host: host && ranks.get(host),
    namedAny: subjectPorts === undefined ? rules.flatMap(({ namedAnyTerms }) => namedAnyTerms) : [],
    namedBySelector,
  };
}

function withNamed(terms: readonly RowTerm[], named: readonly NamedTerm[], ports: readonly NamedPort[] | undefined): readonly RowTerm[] {
  return ports === undefined || named.length === 0 ? terms : [...terms, ...resolveNamed(named, ports)];
}

function append<T>(map: Map<string, T[]>, key: string, items: readonly T[]): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [...items]);
  else for (const item of items) list.push(item);
}

/** Sorted, once each. */
function ascending(numbers: readonly number[]): Int32Array {
  return Int32Array.from(new Set(numbers)).sort();
}
