import type { RawMap } from '@cilium-ts/bpf-maps';
import { compareCidr, errorMessage, type Cidr, type Logger } from '@cilium-ts/core';
import { DENIED_FOREVER, prefilterOffsets } from '@cilium-ts/datapath-layout';
import { DatapathError } from '../error.ts';
import type { WordArray } from '../ports.ts';
import { createGraceTracker } from '../write/grace.ts';
import { createInsertGate, type InsertGate } from '../write/insert-gate.ts';
import { DENIED_LISTS, listBit, listOf, type DeniedList } from './denied-list.ts';
import { createPrefixCover, type PrefixCover } from './prefix-cover.ts';
import { readPrefilter, removeEntries, writeEntries, type EntryWrite } from './prefilter-entries.ts';

/** The maps of the prefilter, as ports: the kernel's, or their twins in memory. */
export interface PrefilterStore {
  /** cilium_prefilter: the revision, then which lists hold anything. */
  readonly state: WordArray;
  readonly lists: Readonly<Record<DeniedList, RawMap>>;
  /** Resolves when every program that was running at the time of the call has ended. */
  gracePeriod(): Promise<void>;
}

/** What came of a change. Only `applied` changed anything. */
export type PrefilterOutcome =
  /** All of it is in force. `changed` is how many entries came or went; 0 leaves the revision as it was. */
  | { readonly kind: 'applied'; readonly revision: number; readonly changed: number }
  /** Somebody else changed the list since the given revision; `revision` is the present one. */
  | { readonly kind: 'stale-revision'; readonly revision: number }
  /** A list has room for `capacity` entries and would have had `needed`. */
  | { readonly kind: 'full'; readonly revision: number; readonly list: DeniedList; readonly capacity: number; readonly needed: number }
  /** These are not on the list and so cannot be taken off. */
  | { readonly kind: 'not-listed'; readonly revision: number; readonly cidrs: readonly Cidr[] };

/** Conditions of a change. */
export interface PrefilterChange {
  /** Change the list only if this is its revision. */
  readonly revision?: number;
}

/** The list of sources whose packets are dropped before the stack sees them. */
export interface Prefilter extends AsyncDisposable {
  /** Grows by one with each change; 1 at first. Survives restarts. */
  readonly revision: number;
  /** All entries, IPv4 first, by address. */
  list(): { readonly revision: number; readonly cidrs: readonly Cidr[] };
  /** Puts entries on the list: all of them from one packet to the next, or none. What is on it already may be named. */
  add(cidrs: Iterable<Cidr>, change?: PrefilterChange): Promise<PrefilterOutcome>;
  /** Takes entries off the list, in the same way. */
  remove(cidrs: Iterable<Cidr>, change?: PrefilterChange): Promise<PrefilterOutcome>;
  /** Resolves when what was taken off the list has left the maps too. */
  settled(): Promise<void>;
  /** Waits for changes under way. The list stays in force. Idempotent. */
  close(): Promise<void>;
}

/** The words of cilium_prefilter. */
const REVISION_WORD = prefilterOffsets.revision / 8;
const LISTS_WORD = prefilterOffsets.lists / 8;

interface State {
  readonly store: PrefilterStore;
  readonly gate: InsertGate;
  /** On the list, by text. */
  readonly members: Map<string, Cidr>;
  readonly cover: PrefixCover;
  /** How many entries a map holds. */
  readonly held: Record<DeniedList, number>;
  /** Taken off the list, still in the maps. */
  leaving: readonly Cidr[];
  revision: number;
  /** A change failed half-way and could not be taken back: the maps must be read again. */
  damaged: boolean;
}

/**
 * Takes over the prefilter's maps: what they have in force stays, what a killed process left half-written goes.
 * One instance per set of maps.
 * @throws DatapathError `map-failed` when the kernel refuses what should work
 */
export async function createPrefilter({ store, logger }: { readonly store: PrefilterStore; readonly logger?: Logger }): Promise<Prefilter> {
  const gate = createInsertGate(createGraceTracker(() => store.gracePeriod()));
  const state: State = { store, gate, members: new Map(), cover: createPrefixCover(), held: { addresses4: 0, prefixes4: 0, addresses6: 0, prefixes6: 0 }, leaving: [], revision: 0, damaged: true };
  await guarded(state, 'take over the prefilter', () => Promise.resolve());
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const serve = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    if (closed) throw new DatapathError('closed', `${action}: the prefilter is closed`);
    const turn = last.then(() => guarded(state, action, work));
    last = turn.catch((error: unknown) => logger?.error({ error: errorMessage(error) }, `${action} failed`));
    return turn;
  };
  const prefilter: Prefilter = {
    get revision() {
      return state.revision;
    },
    list: () => ({ revision: state.revision, cidrs: [...state.members.values()].sort(compareCidr) }),
    add: (cidrs, change = {}) => serve('add to the prefilter', () => add(state, unique(cidrs), change)),
    remove: (cidrs, change = {}) => serve('remove from the prefilter', () => remove(state, unique(cidrs), change)),
    settled: () => serve('settle the prefilter', () => leave(state)),
    async close() {
      closed = true;
      await last;
    },
    [Symbol.asyncDispose]: () => prefilter.close(),
  };
  return prefilter;
}

function unique(cidrs: Iterable<Cidr>): ReadonlyMap<string, Cidr> {
  return new Map(Array.from(cidrs, (cidr) => [cidr.text, cidr]));
}

/** Does the work; where it fails, brings maps and memory back to what is in force. */
async function guarded<T>(state: State, action: string, work: () => Promise<T>): Promise<T> {
  try {
    if (state.damaged) await repair(state);
    return await work();
  } catch (cause) {
    state.damaged = true;
    await repair(state).catch(() => undefined); // tried again before the next change
    throw new DatapathError('map-failed', `${action}: ${errorMessage(cause)}; the list stays as it was`, { cause });
  }
}

/** Reads everything from the maps, and takes out of them what is not in force or never was. */
async function repair(state: State): Promise<void> {
  const { store, gate } = state;
  const revision = Number(store.state.load(REVISION_WORD) & 0xffff_ffffn);
  const found = readPrefilter(store.lists, revision);
  await gate.opened();
  writeEntries(store.lists, found.withdrawn);
  removeEntries(store.lists, found.rubbish);
  if (found.withdrawn.length > 0 || found.rubbish.length > 0) gate.close();
  for (const cidr of state.members.values()) state.cover.remove(cidr);
  state.members.clear();
  for (const list of DENIED_LISTS) state.held[list] = 0;
  for (const cidr of found.members) join(state, cidr);
  state.leaving = [];
  state.revision = Math.max(revision, 1);
  store.state.store(LISTS_WORD, listsHeld(state));
  if (revision === 0) store.state.store(REVISION_WORD, 1n);
  state.damaged = false;
}

function join(state: State, cidr: Cidr): void {
  state.members.set(cidr.text, cidr);
  state.cover.add(cidr);
  state.held[listOf(cidr)]++;
}

function listsHeld(state: State): bigint {
  return DENIED_LISTS.reduce((bits, list) => (state.held[list] > 0 ? bits | listBit(list) : bits), 0n);
}

async function add(state: State, cidrs: ReadonlyMap<string, Cidr>, change: PrefilterChange): Promise<PrefilterOutcome> {
  if (change.revision !== undefined && change.revision !== state.revision) return { kind: 'stale-revision', revision: state.revision };
  const added = [...cidrs.values()].filter((cidr) => !state.members.has(cidr.text));
  if (added.length === 0) return { kind: 'applied', revision: state.revision, changed: 0 };
  await leave(state);
  const full = findFull(state, added);
  if (full !== undefined) return full;
  await state.gate.opened();
  const next = state.revision + 1;
  // Until the revision is stored, what an entry covers is denied only if a shorter prefix denies it already.
  const writes = added.map((cidr): EntryWrite => ({ cidr, denied: { since: denies(state, cidr) ? 0 : next, until: DENIED_FOREVER, listedSince: next, listedUntil: DENIED_FOREVER } }));
  await inSlices(writes, (slice) => writeEntries(state.store.lists, slice));
  for (const cidr of added) join(state, cidr);
  state.store.state.store(LISTS_WORD, listsHeld(state));
  putInForce(state, next);
  return { kind: 'applied', revision: next, changed: added.length };
}

async function remove(state: State, cidrs: ReadonlyMap<string, Cidr>, change: PrefilterChange): Promise<PrefilterOutcome> {
  const { revision } = state;
  if (change.revision !== undefined && change.revision !== revision) return { kind: 'stale-revision', revision };
  const removed = [...cidrs.values()];
  const missing = removed.filter((cidr) => !state.members.has(cidr.text));
  if (missing.length > 0) return { kind: 'not-listed', revision, cidrs: missing };
  if (removed.length === 0) return { kind: 'applied', revision, changed: 0 };
  await leave(state);
  await state.gate.opened();
  const next = revision + 1;
  for (const cidr of removed) state.cover.remove(cidr);
  const writes = removed.map((cidr): EntryWrite => ({ cidr, denied: { since: 0, until: denies(state, cidr) ? DENIED_FOREVER : next, listedSince: 0, listedUntil: next } }));
  await inSlices(writes, (slice) => writeEntries(state.store.lists, slice));
  for (const cidr of removed) state.members.delete(cidr.text);
  state.leaving = removed;
  putInForce(state, next);
  state.gate.close();
  return { kind: 'applied', revision: next, changed: removed.length };
}

/** Is what this prefix covers denied without it? Single addresses lie in a list of their own, where nothing hides anything. */
function denies({ cover }: State, cidr: Cidr): boolean {
  const list = listOf(cidr);
  return (list === 'prefixes4' || list === 'prefixes6') && cover.covers(cidr);
}

function putInForce(state: State, revision: number): void {
  state.store.state.store(REVISION_WORD, BigInt(revision));
  state.revision = revision;
}

/** Takes out of the maps what was taken off the list before, once no packet relies on it. */
async function leave(state: State): Promise<void> {
  if (state.leaving.length === 0) return;
  await state.gate.opened();
  await inSlices(state.leaving, (slice) => removeEntries(state.store.lists, slice));
  for (const cidr of state.leaving) state.held[listOf(cidr)]--;
  state.leaving = [];
  state.store.state.store(LISTS_WORD, listsHeld(state));
  state.gate.close();
}

function findFull(state: State, added: readonly Cidr[]): PrefilterOutcome | undefined {
  const needed = { ...state.held };
  for (const cidr of added) needed[listOf(cidr)]++;
  const list = DENIED_LISTS.find((each) => needed[each] > state.store.lists[each].maxEntries);
  return list && { kind: 'full', revision: state.revision, list, capacity: state.store.lists[list].maxEntries, needed: needed[list] };
}

/** Entries written in one go, between which others get their turn. */
const SLICE = 4096;

async function inSlices<T>(items: readonly T[], write: (slice: readonly T[]) => void): Promise<void> {
  for (let at = 0; at < items.length; at += SLICE) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    write(items.slice(at, at + SLICE));
  }
}
