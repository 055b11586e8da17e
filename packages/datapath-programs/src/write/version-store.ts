import { errorCode } from '@cilium-ts/core';
import { policyKey, policyValue } from '@cilium-ts/datapath-layout';
import { viewOf, type RawMap } from '@cilium-ts/bpf-maps';
import type { ApplyFailureReason, CompiledPolicyShape, PolicyRowShape } from '../state/desired.ts';
import type { GraceTracker } from './grace.ts';
import type { InsertGate } from './insert-gate.ts';
import { rowTooLong } from './row-content.ts';
import type { RowStore, StoredRow } from './row-store.ts';
import { DIRECTIONS, directionOf, peerDirection, peerIdentity, peerKey, type PeerKey, type PolicyVersion } from './version.ts';

/** Why a policy could not be written. Nothing of it is left behind. */
export interface PolicyFailure {
  readonly failed: ApplyFailureReason;
  readonly message: string;
}

/** Whether something is a failure to write a policy. */
export function isPolicyFailure(result: PolicyVersion | PolicyFailure | undefined): result is PolicyFailure {
  return result !== undefined && 'failed' in result;
}

/** Policies in the kernel. Inserting needs an open gate: the caller waits for it. */
export interface VersionStore {
  readonly entries: number;
  /** Versions that slots use, or that wait to be deleted. */
  all(): Iterable<PolicyVersion>;
  ofIdentity(identity: number): readonly PolicyVersion[];
  /** Writes a whole policy under a new number. `extra` entries win over the policy's. Not used by any slot yet. */
  create(identity: number, policy: CompiledPolicyShape, extra: ReadonlyMap<PeerKey, PolicyRowShape>): PolicyVersion | PolicyFailure;
  /** Adds entries that no packet can ask for yet; all of them, or none. */
  extend(version: PolicyVersion, add: ReadonlyMap<PeerKey, PolicyRowShape | StoredRow>): PolicyFailure | undefined;
  /** Takes over a version found in the kernel. */
  adopt(version: PolicyVersion): void;
  /** Deletes entries of versions that nothing has referred to for a grace period. */
  deleteUnknown(versions: Iterable<readonly [number: number, entries: ReadonlyMap<PeerKey, unknown>]>): void;
  use(version: PolicyVersion): void;
  /** One slot less. Its entries stay until a grace period has gone by. */
  release(version: PolicyVersion): void;
  /** Can reclaim() delete anything now? */
  reclaimable(): boolean;
  /** Deletes what has been unused for a grace period, and closes the gate if anything was deleted. */
  reclaim(): void;
}

/** Largest version number; 0 means "none". */
const VERSION_MAX = 2 ** 32 - 1;

/** The version store over cilium_policy. `lastNumber` is the highest number found in the kernel. */
export function createVersionStore(map: RawMap, deps: { rows: RowStore; grace: GraceTracker; gate: InsertGate }, lastNumber: number): VersionStore {
  const { rows, grace, gate } = deps;
  const versions = new Map<number, PolicyVersion>();
  let last = lastNumber;
  let count = 0;

  const nextNumber = (): number => {
    do last = last >= VERSION_MAX ? 1 : last + 1;
    while (versions.has(last));
    return last;
  };

  const acquireAll = (wanted: ReadonlyMap<PeerKey, PolicyRowShape | StoredRow>): Map<PeerKey, StoredRow> | PolicyFailure => {
    const acquired = new Map<PeerKey, StoredRow>();
    for (const [key, row] of wanted) {
      const failure = 'boundaries' in row ? tooLong(row) : undefined;
      const stored = failure === undefined ? ('boundaries' in row ? rows.acquire(row) : rows.share(row)) : undefined;
      if (stored === undefined) {
        for (const taken of acquired.values()) rows.release(taken);
        return failure ?? rowsFull(rows.free);
      }
      acquired.set(key, stored);
    }
    return acquired;
  };

  const insert = (number: number, entries: ReadonlyMap<PeerKey, StoredRow>): PolicyFailure | undefined => {
    if (count + entries.size > map.maxEntries) return mapFull(count, entries.size, map.maxEntries);
    const keys = encodeKeys(number, entries.keys(), entries.size);
    try {
      map.updateBatch(keys, encodeValues(entries.values(), entries.size), entries.size);
    } catch (error) {
      if (!isFull(error)) throw error;
      map.deleteBatch(keys, entries.size);
      gate.close();
      return mapFull(count, entries.size, map.maxEntries);
    }
    count += entries.size;
    return undefined;
  };

  const remove = (version: PolicyVersion, keys: readonly PeerKey[]): boolean => {
    if (keys.length === 0) return false;
    const removed = new Map(keys.flatMap((key) => entryOf(version, key)));
    map.deleteBatch(encodeKeys(version.number, removed.keys(), removed.size), removed.size);
    count -= removed.size;
    for (const [key, row] of removed) {
      version.entries.delete(key);
      version.stale.delete(key);
      rows.release(row);
    }
    return true;
  };

  const expired = (version: PolicyVersion): boolean => version.unusedSince !== undefined && grace.passed(version.unusedSince);
  const expiredEntries = (version: PolicyVersion): PeerKey[] => [...version.stale].flatMap(([key, since]) => (grace.passed(since) ? [key] : []));

  const store: VersionStore = {
    get entries() {
      return count;
    },
    all: () => versions.values(),
    ofIdentity: (identity) => [...versions.values()].filter((version) => version.identity === identity && version.uses > 0),
    create(identity, policy, extra) {
      const any = acquireAll(new Map(DIRECTIONS.map((direction) => [peerKey(direction, 0), directionOf(policy, direction).any])));
      if ('failed' in any) return any;
      const entries = acquireAll(new Map([...policyEntries(policy), ...extra]));
      const number = nextNumber();
      const failure = 'failed' in entries ? entries : insert(number, entries);
      const [ingress, egress] = DIRECTIONS.map((direction) => any.get(peerKey(direction, 0)));
      if (failure !== undefined || 'failed' in entries || ingress === undefined || egress === undefined) {
        for (const row of [...any.values(), ...('failed' in entries ? [] : entries.values())]) rows.release(row);
        return failure ?? rowsFull(rows.free);
      }
      const version: PolicyVersion = {
        number, identity, entries, any: [ingress, egress], stale: new Map(), uses: 0, unusedSince: grace.mark(), source: extra.size === 0 ? policy : undefined,
      };
      versions.set(number, version);
      return version;
    },
    extend(version, add) {
      const entries = acquireAll(add);
      if ('failed' in entries) return entries;
      const failure = insert(version.number, entries);
      if (failure !== undefined) {
        for (const row of entries.values()) rows.release(row);
        return failure;
      }
      for (const [key, row] of entries) version.entries.set(key, row);
      return undefined;
    },
    adopt(version) {
      versions.set(version.number, version);
      count += version.entries.size;
    },
    deleteUnknown(unknown) {
      let deleted = false;
      for (const [number, entries] of unknown) {
        map.deleteBatch(encodeKeys(number, entries.keys(), entries.size), entries.size);
        deleted = true;
      }
      if (deleted) gate.close();
    },
    use(version) {
      version.uses++;
      version.unusedSince = undefined;
    },
    release(version) {
      version.uses--;
      if (version.uses === 0) version.unusedSince = grace.mark();
    },
    reclaimable: () => [...versions.values()].some((version) => expired(version) || expiredEntries(version).length > 0),
    reclaim() {
      let deleted = false;
      for (const version of versions.values()) {
        const dead = expired(version);
        if (remove(version, dead ? [...version.entries.keys()] : expiredEntries(version))) deleted = true;
        if (!dead) continue;
        for (const row of version.any) rows.release(row);
        versions.delete(version.number);
      }
      if (deleted) gate.close();
    },
  };
  return store;
}

function entryOf(version: PolicyVersion, key: PeerKey): [PeerKey, StoredRow][] {
  const row = version.entries.get(key);
  return row === undefined ? [] : [[key, row]];
}

function* policyEntries(policy: CompiledPolicyShape): Iterable<[PeerKey, PolicyRowShape]> {
  for (const direction of DIRECTIONS) {
    for (const [identity, row] of directionOf(policy, direction).byIdentity) yield [peerKey(direction, identity), row];
  }
}

function encodeKeys(version: number, keys: Iterable<PeerKey>, count: number): Uint8Array {
  const bytes = new Uint8Array(count * policyKey.size);
  const view = viewOf(bytes);
  let index = 0;
  for (const key of keys) policyKey.encode({ version, direction: peerDirection(key), identity: peerIdentity(key) }, view, index++ * policyKey.size);
  return bytes;
}

function encodeValues(rows: Iterable<StoredRow>, count: number): Uint8Array {
  const bytes = new Uint8Array(count * policyValue.size);
  const view = viewOf(bytes);
  let index = 0;
  for (const row of rows) policyValue.encode({ row: row.reference }, view, index++ * policyValue.size);
  return bytes;
}

/** Hashes report a full map as E2BIG, tries as ENOSPC. */
export function isFull(error: unknown): boolean {
  return ['E2BIG', 'ENOSPC', 'ENOMEM'].includes(errorCode(error) ?? '');
}

function tooLong(row: PolicyRowShape): PolicyFailure | undefined {
  if (!rowTooLong(row)) return undefined;
  return { failed: 'row-too-large', message: `a row of ${row.boundaries.length} port ranges is longer than the datapath can search (1,024)` };
}

function rowsFull(free: number): PolicyFailure {
  return { failed: 'rows-full', message: `cilium_rows has no room for the policy's distinct port sets (${free} boundaries free)` };
}

function mapFull(count: number, needed: number, limit: number): PolicyFailure {
  return { failed: 'policy-map-full', message: `cilium_policy has no room for ${needed} more entries (${count} of ${limit} in use); raise bpf-policy-map-max` };
}
