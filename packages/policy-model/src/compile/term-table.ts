import type { Selector } from '@cilium-ts/identity';
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
  readonly any: readonly number[];
  /** By text. */
  readonly selectors: ReadonlyMap<string, SelectorTerms>;
  /** Rank of the permission for the node, if there is one. */
  readonly host: number | undefined;
  /** Terms whose ports the peers have named, for everybody. */
  readonly namedAny: readonly NamedTerm[];
}

/** What applies to those whom a selector chooses. */
export interface SelectorTerms {
  readonly selector: Selector;
  /** Ascending. */
  readonly ranks: readonly number[];
  /** Terms whose ports the peers have named. */
  readonly named: readonly NamedTerm[];
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
  const all: RowTerm[] = [];
  /** Where the terms of each rule begin: those for everybody, those for its peers; then those of the next. */
  const begins: number[] = [];
  for (const { anyTerms, namedAnyTerms, peerTerms, namedPeerTerms } of rules) {
    begins.push(all.length);
    addTerms(all, anyTerms, namedAnyTerms, subjectPorts);
    begins.push(all.length);
    addTerms(all, peerTerms, namedPeerTerms, subjectPorts);
  }
  begins.push(all.length);
  if (host !== undefined) all.push(host);
  const { space, ranks } = createTermSpace(all);
  const any: number[] = [];
  const selectors = new Map<string, MutableSelectorTerms>();
  rules.forEach(({ peers, namedPeerTerms }, i) => {
    for (let k = begins[2 * i]!; k < begins[2 * i + 1]!; k++) any.push(ranks[k]!);
    if (peers.length === 0) return;
    const own = ascending(ranks.slice(begins[2 * i + 1], begins[2 * i + 2]));
    addPeers(selectors, peers, own, subjectPorts === undefined ? namedPeerTerms : NO_NAMED);
  });
  for (const terms of selectors.values()) if (terms.merged) terms.ranks = ascending(terms.ranks);
  const namedAny = subjectPorts === undefined ? rules.flatMap(({ namedAnyTerms }) => namedAnyTerms) : NO_NAMED;
  return { space, any: ascending(any), selectors, host: host && ranks.at(-1), namedAny };
}

const NO_NAMED: readonly NamedTerm[] = [];

interface MutableSelectorTerms extends SelectorTerms {
  ranks: number[];
  named: readonly NamedTerm[];
  /** Whether several rules have brought ranks; else those of the one are shared by all of its selectors. */
  merged: boolean;
}

function addTerms(all: RowTerm[], terms: readonly RowTerm[], named: readonly NamedTerm[], ports: readonly NamedPort[] | undefined): void {
  for (const term of terms) all.push(term);
  if (ports !== undefined && named.length > 0) for (const term of resolveNamed(named, ports)) all.push(term);
}

function addPeers(selectors: Map<string, MutableSelectorTerms>, peers: readonly Selector[], ranks: number[], named: readonly NamedTerm[]): void {
  for (const selector of peers) {
    const known = selectors.get(selector.text);
    if (known === undefined) {
      selectors.set(selector.text, { selector, ranks, named, merged: false });
      continue;
    }
    if (!known.merged) known.ranks = known.ranks.slice();
    known.merged = true;
    for (const rank of ranks) known.ranks.push(rank);
    if (named.length > 0) known.named = [...known.named, ...named];
  }
}

/** Sorts the numbers in place, once each. */
function ascending(numbers: number[]): number[] {
  if (numbers.length < 2) return numbers;
  numbers.sort((a, b) => a - b);
  let unique = 1;
  for (let i = 1; i < numbers.length; i++) if (numbers[i] !== numbers[i - 1]) numbers[unique++] = numbers[i]!;
  numbers.length = unique;
  return numbers;
}
