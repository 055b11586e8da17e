import { RESERVED } from '@cilium-ts/identity';
import type { NumericIdentity } from '@cilium-ts/identity';
import type { NamedPort, PolicyDirectory } from '../directory/directory.ts';
import type { CompiledDirection } from './compiled-policy.ts';
import type { Enforcement } from './enforcement.ts';
import type { PeerIndex, PeerRecord, SelectorEntry } from './peer-index.ts';
import type { NamedTerm, PreparedRule } from './prepared-rule.ts';
import { resolveNamed } from './prepared-rule.ts';
import { refineWith } from './refine-verdicts.ts';
import type { PolicyRow, RowBoundary } from './row.ts';
import { MATCH_TYPE, ROW_POSITIONS } from './row.ts';
import type { RowPool } from './row-pool.ts';
import type { RowSweeper } from './row-sweep.ts';
import { allRanks, createRowSweeper } from './row-sweep.ts';
import type { RowTerm } from './row-term.ts';
import type { RuleSetPool } from './rule-set-pool.ts';
import type { SignatureTree, Signature } from './signature-tree.ts';
import { createSignatureTree } from './signature-tree.ts';
import type { TermSpace } from './term-space.ts';
import { createTermSpace } from './term-space.ts';
import type { TermTable } from './term-table.ts';
import { createTermTable } from './term-table.ts';
import type { VerdictPool } from './verdict-pool.ts';
import { plainVerdict } from './verdict-pool.ts';

/** Where plans intern what they make. */
export interface Pools {
  readonly rows: RowPool;
  readonly verdicts: VerdictPool;
  readonly ruleSets: RuleSetPool;
}

/** What a plan is made of. */
export interface PlanInput {
  readonly rules: readonly PreparedRule[];
  readonly enforcement: Enforcement;
  /** Whether the node may always reach the endpoint; of ingress only. */
  readonly allowHost: boolean;
  /** The ports that the endpoint has named, which rules of ingress mean; `undefined` for egress: those of the peers. */
  readonly subjectPorts: readonly NamedPort[] | undefined;
  /** The plan retains selectors here until it is closed. */
  readonly peers: PeerIndex;
  readonly directory: PolicyDirectory;
  readonly pools: Pools;
  /** For whom, in errors. */
  readonly owner: () => string;
}

/**
 * The rows of one direction for every endpoint that the same rules select. Rows are computed when first asked for, once
 * per set of selectors that choose a peer, and throw PolicyModelError `row-too-large`.
 */
export interface DirectionPlan {
  readonly enforced: boolean;
  /** The row of peers that no selector chooses. */
  readonly any: PolicyRow;
  /** The selectors that make a difference. */
  readonly entries: ReadonlyMap<SelectorEntry, number>;
  /** Whether rows depend on the ports that peers have named. */
  readonly usesPeerPorts: boolean;
  /** The row of a peer of the index. */
  rowFor(peer: PeerRecord): PolicyRow;
  /** Whether rows of the node may differ from what its labels call for. */
  readonly usesHost: boolean;
  /** Calls `visit` with the rows of all identities of the index that differ from `any`, by ascending identity. */
  visitRows(visit: (id: NumericIdentity, row: PolicyRow) => void): void;
  /** The same as a policy; the same object until something changes. */
  compiled(): CompiledDirection;
  close(): void;
}

/** Makes a plan. */
export function createDirectionPlan(input: PlanInput): DirectionPlan {
  return input.enforcement.kind === 'off' ? openPlan(input) : new SweptPlan(input);
}

function openPlan({ pools, owner }: PlanInput): DirectionPlan {
  const any = pools.rows.intern([{ start: 0, verdict: plainVerdict('allow', MATCH_TYPE.all) }], owner);
  const compiled: CompiledDirection = { enforced: false, any, byIdentity: new Map() };
  return { enforced: false, any, entries: new Map(), usesPeerPorts: false, usesHost: false, rowFor: () => any, visitRows: () => undefined, compiled: () => compiled, close: () => undefined };
}

const ALLOW_HOST: RowTerm = { start: 0, end: ROW_POSITIONS - 1, action: 'allow', namesPeer: true, tier: 'normal' };
const NO_PORTS: readonly NamedPort[] = [];

class SweptPlan implements DirectionPlan {
  readonly enforced = true;
  readonly any: PolicyRow;
  readonly entries = new Map<SelectorEntry, number>();
  readonly usesPeerPorts: boolean;
  readonly usesHost: boolean;
  readonly #input: PlanInput;
  readonly #table: TermTable;
  /** By place of the selector. */
  readonly #ranks: (readonly number[])[] = [];
  readonly #named: (readonly NamedTerm[])[] = [];
  readonly #portNames: ReadonlySet<string>;
  readonly #tree: SignatureTree;
  readonly #sweeper: RowSweeper;
  readonly #merger: RankMerger;
  readonly #rows: (PolicyRow | undefined)[] = [];
  /** Rows of the node and of peers with named ports. */
  readonly #special = new Map<string, PolicyRow>();
  #compiled: { readonly revision: number; readonly directory: number; readonly value: CompiledDirection } | undefined;
  #closed = false;

  constructor(input: PlanInput) {
    this.#input = input;
    const { rules, subjectPorts, peers } = input;
    const table = createTermTable({ rules, subjectPorts, host: input.allowHost ? ALLOW_HOST : undefined });
    this.#table = table;
    this.#sweeper = createRowSweeper(table.space);
    this.#merger = new RankMerger(table.space.terms.length);
    this.usesHost = input.allowHost;
    const portNames = new Set(table.namedAny.map(portKey));
    for (const { selector, ranks, named } of table.selectors.values()) {
      if (ranks.length === 0 && named.length === 0) continue;
      this.entries.set(peers.retain(selector), this.#ranks.length);
      this.#ranks.push(ranks);
      this.#named.push(named);
      for (const term of named) portNames.add(portKey(term));
    }
    this.#portNames = portNames;
    this.usesPeerPorts = portNames.size > 0;
    this.#tree = createSignatureTree(Math.max(1, this.#ranks.length));
    try {
      this.any = this.#rowOf(0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  rowFor(peer: PeerRecord): PolicyRow {
    const places: number[] = [];
    for (const entry of peer.entries) {
      const place = this.entries.get(entry);
      if (place !== undefined) places.push(place);
    }
    places.sort((a, b) => a - b);
    let set: Signature = 0;
    for (const place of places) set = this.#tree.with(set, place);
    return this.#isSpecial(peer) ? this.#specialRow(set, peer) : this.#rowOf(set);
  }

  compiled(): CompiledDirection {
    const { peers, directory } = this.#input;
    const known = this.#compiled;
    if (known?.revision === peers.revision && (!this.usesPeerPorts || known.directory === directory.revision)) return known.value;
    const byIdentity = new Map<NumericIdentity, PolicyRow>();
    this.visitRows((id, row) => void byIdentity.set(id, row));
    const value = { enforced: true, any: this.any, byIdentity };
    this.#compiled = { revision: peers.revision, directory: directory.revision, value };
    return value;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const entry of this.entries.keys()) this.#input.peers.release(entry);
  }

  /** Goes by the selectors rather than by the identities: most of those are chosen by none. */
  visitRows(visit: (id: NumericIdentity, row: PolicyRow) => void): void {
    const { peers, allowHost } = this.#input;
    const sets = new Int32Array(peers.slots);
    for (const [entry, place] of this.entries) {
      // Neighbours often have the same set.
      let before = -1;
      let after = 0;
      for (const { slot } of entry.members) {
        const set = sets[slot]!;
        if (set !== before) after = this.#tree.with((before = set), place);
        sets[slot] = after;
      }
    }
    const mayBeSpecial = allowHost || this.usesPeerPorts;
    for (const record of peers.sorted()) {
      const set = sets[record.slot]!;
      if (set === 0 && !mayBeSpecial) continue;
      const row = mayBeSpecial && this.#isSpecial(record) ? this.#specialRow(set, record) : this.#rowOf(set);
      if (row !== this.any) visit(record.identity.id, row);
    }
  }

  #rowOf(set: Signature): PolicyRow {
    return (this.#rows[set] ??= this.#makeRow(set, false, NO_PORTS));
  }

  #isSpecial({ identity: { id } }: PeerRecord): boolean {
    return (this.#input.allowHost && id === RESERVED.host) || (this.usesPeerPorts && this.#portsOf(id).length > 0);
  }

  #specialRow(set: Signature, { identity: { id } }: PeerRecord): PolicyRow {
    const host = this.#input.allowHost && id === RESERVED.host;
    const ports = this.usesPeerPorts ? this.#portsOf(id) : NO_PORTS;
    const key = `${set}${host ? 'h' : ''} ${ports.map((port) => `${portKey(port)}=${port.port}`).join()}`;
    let row = this.#special.get(key);
    if (row === undefined) this.#special.set(key, (row = this.#makeRow(set, host, ports)));
    return row;
  }

  /** The ports that a peer has named with names that rules use. */
  #portsOf(id: NumericIdentity): readonly NamedPort[] {
    const ports = this.#input.directory.namedPorts(id);
    return ports.length === 0 ? ports : ports.filter((port) => this.#portNames.has(portKey(port)));
  }

  #makeRow(set: Signature, host: boolean, ports: readonly NamedPort[]): PolicyRow {
    const { pools, owner } = this.#input;
    const { space, any, host: hostRank, namedAny } = this.#table;
    const places = this.#tree.places(set);
    this.#merger.add(any);
    for (const place of places) this.#merger.add(this.#ranks[place]!);
    const ranks = this.#merger.take(host ? hostRank : undefined);
    const named = ports.length === 0 ? [] : resolveNamed([...namedAny, ...places.flatMap((place) => this.#named[place]!)], ports);
    if (named.length === 0) return pools.rows.intern(this.#sweep(this.#sweeper, { space, ranks, host }), owner);
    // Where names lead is not known beforehand, so that such rows have a space of their own.
    const terms: RowTerm[] = [...named];
    for (const rank of ranks) terms.push(space.terms[rank]!);
    const { space: own } = createTermSpace(terms);
    return pools.rows.intern(this.#sweep(createRowSweeper(own), { space: own, ranks: allRanks(own), host }), owner);
  }

  #sweep(sweeper: RowSweeper, { space, ranks, host }: { space: TermSpace; ranks: Int32Array; host: boolean }): RowBoundary[] {
    const { enforcement, pools } = this.#input;
    const defaultDeny = enforcement.kind === 'default-deny';
    let extras = false;
    for (const rank of ranks) extras ||= space.terms[rank]!.extras !== undefined;
    return sweeper.sweep(ranks, { defaultDeny }, extras ? refineWith({ ...pools, observe: !defaultDeny, bypass: host }) : undefined);
  }
}

const portKey = ({ name, protocol }: Pick<NamedPort, 'name' | 'protocol'>): string => `${name}/${protocol}`;

/** Merges lists of ranks: a bit for each rank, taken out in order. */
class RankMerger {
  readonly #bits: Uint32Array;
  #count = 0;

  constructor(size: number) {
    this.#bits = new Uint32Array((size + 31) >> 5);
  }

  add(ranks: readonly number[]): void {
    const bits = this.#bits;
    for (const rank of ranks) bits[rank >> 5]! |= 1 << (rank & 31);
    this.#count += ranks.length;
  }

  /** Ascending, once each; nothing is left. */
  take(besides: number | undefined): Int32Array {
    if (besides !== undefined) this.add([besides]);
    const ranks = new Int32Array(this.#count);
    let count = 0;
    const bits = this.#bits;
    for (let word = 0; word < bits.length; word++) {
      for (let left = bits[word]!; left !== 0; left &= left - 1) ranks[count++] = (word << 5) + 31 - Math.clz32(left & -left);
    }
    bits.fill(0);
    this.#count = 0;
    return ranks.subarray(0, count);
  }
}
