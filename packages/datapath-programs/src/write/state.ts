import type { Logger } from '@cilium-ts/core';
import { cellHalf, type CellHalf, type EndpointInfo } from '@cilium-ts/datapath-layout';
import type { DatapathStore } from '../ports.ts';
import type { Slot } from '../state/desired.ts';
import type { WorldIdentities } from '../state/normalise.ts';
import { isLockedDown, readState, type FoundSlot, type FoundState } from '../state/restore.ts';
import { AddressBook, remoteWord } from './address-book.ts';
import { deactivate, parityOf } from './cells.ts';
import { createGraceTracker, type GraceMark, type GraceTracker } from './grace.ts';
import { createInsertGate, type InsertGate } from './insert-gate.ts';
import { createRemotes, type Remotes } from './remotes.ts';
import { createRowStore, type RowStore, type StoredRow } from './row-store.ts';
import { VersionStore } from './version-store.ts';
import type { PeerKey, PolicyVersion } from './version.ts';

/** An endpoint in force. */
export interface ActiveSlot {
  readonly slot: Slot;
  readonly info: EndpointInfo;
  readonly generation: number;
  identity: number;
  revision: number;
  /** Undefined: locked down. */
  version: PolicyVersion | undefined;
  /** CELL_FLAG bits. */
  flags: number;
  /** Is the device known to lead here? Not after a restart. */
  deviceKnown: boolean;
}

/** The writer's picture of the kernel; exact while no write has failed. */
export interface WriterState {
  readonly store: DatapathStore;
  readonly logger: Logger;
  readonly world: WorldIdentities;
  readonly grace: GraceTracker;
  readonly policyGate: InsertGate;
  readonly deviceGate: InsertGate;
  readonly rows: RowStore;
  readonly versions: VersionStore;
  readonly book: AddressBook;
  readonly remotes: Remotes;
  readonly slots: Map<Slot, ActiveSlot>;
  /** The last generation of each slot that ever had one. */
  readonly generations: Map<Slot, number>;
  /** Slots taken out of service, and since when. */
  readonly resting: Map<Slot, GraceMark>;
  epoch: bigint;
  /** When the epoch last moved: the other halves are free once a grace period has passed. */
  switchedAt: GraceMark;
}

/** The content of a slot's cell half. */
export function halfOf(active: ActiveSlot): CellHalf {
  const { version, generation } = active;
  return {
    version: version?.number ?? 0,
    revision: active.revision,
    identity: active.identity,
    generation,
    anyIngress: version?.any[0].reference ?? 0,
    anyEgress: version?.any[1].reference ?? 0,
    flags: active.flags,
    reserved: generation,
  };
}

/** Size of a half; of the layout, for those who write halves. */
export const HALF_SIZE = cellHalf.size;

/**
 * Reads the kernel's maps into a writer's state, and clears away what a run that was interrupted left half done.
 * To be called when no reader can still be under what a previous run replaced: after a grace period.
 */
export function restoreWriter(deps: { store: DatapathStore; logger: Logger }, world: WorldIdentities): { state: WriterState; found: FoundState } {
  const { store, logger } = deps;
  const found = readState(store);
  const grace = createGraceTracker(() => store.gracePeriod());
  const [policyGate, addressGate, deviceGate] = [createInsertGate(grace), createInsertGate(grace), createInsertGate(grace)];
  const rows = createRowStore(store.rows, grace);
  const numbers = [...found.versions.keys(), ...found.slots.map(({ half }) => half.version)];
  const last = numbers.reduce((highest, number) => Math.max(highest, number), 0);
  const versions = new VersionStore(store.policy, { rows, grace, gate: policyGate }, last);
  const remotes = createRemotes(store.remotes, () => parityOf(state.epoch));
  const state: WriterState = {
    store, logger, world, grace, policyGate, deviceGate, rows, versions, remotes,
    book: new AddressBook(store, { grace, gate: addressGate, remotes }, found.addresses),
    slots: new Map(), generations: new Map(found.generations), resting: new Map(), epoch: found.epoch, switchedAt: 0,
  };
  adoptSlots(state, found);
  // What waited for an epoch that never came is taken back.
  for (const { target } of found.addresses) if (target.kind === 'remote') remotes.store(target.index, remoteWord(target.identity, target.host));
  for (const slot of found.generations.keys()) if (!state.slots.has(slot)) deactivate(store.cells, slot);
  versions.deleteUnknown([...found.versions].filter(([number]) => !versions.has(number)));
  return { state, found };
}

function adoptSlots(state: WriterState, found: FoundState): void {
  const adopted = new Map<number, PolicyVersion>();
  for (const { slot, half, info } of found.slots) {
    const lockedDown = isLockedDown(half);
    const version = lockedDown ? undefined : (adopted.get(half.version) ?? adoptVersion(state, { slot, half, info }, found.versions.get(half.version) ?? new Map<PeerKey, number>()));
    if (!lockedDown && version === undefined) {
      state.logger.error({ slot, version: half.version }, 'policy found in the kernel is damaged: the endpoint is taken out of service');
      continue;
    }
    if (version !== undefined) {
      adopted.set(version.number, version);
      state.versions.use(version);
    }
    state.slots.set(slot, { slot, info, generation: half.generation, identity: half.identity, revision: half.revision, version, flags: half.flags, deviceKnown: false });
  }
}

function adoptVersion(state: WriterState, { half }: FoundSlot, references: ReadonlyMap<PeerKey, number>): PolicyVersion | undefined {
  const [ingress, egress] = [state.rows.adopt(half.anyIngress), state.rows.adopt(half.anyEgress)];
  const entries = new Map<PeerKey, StoredRow>();
  for (const [key, reference] of references) {
    const row = state.rows.adopt(reference);
    if (row !== undefined) entries.set(key, row);
  }
  if (ingress === undefined || egress === undefined || entries.size !== references.size) return undefined;
  const version: PolicyVersion = {
    number: half.version, identity: half.identity, entries, any: [ingress, egress], stale: new Map(), uses: 0, unusedSince: undefined, source: undefined,
  };
  state.versions.adopt(version);
  return version;
}
