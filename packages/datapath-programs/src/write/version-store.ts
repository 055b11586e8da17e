import { errorCode } from '@cilium-ts/core';
import type { RawMap } from '@cilium-ts/bpf-maps';
import type { ApplyFailureReason, CompiledPolicyShape, PolicyRowShape } from '../state/desired.ts';
import type { GraceTracker } from './grace.ts';
import type { InsertGate } from './insert-gate.ts';
import { encodeKeys, encodeValues } from './policy-bytes.ts';
import { rowTooLong } from './row-content.ts';
import type { RowStore, StoredRow } from './row-store.ts';
import { EGRESS, directionOf, DIRECTIONS, INGRESS, peerKey, type PeerKey, type PolicyVersion } from './version.ts';

/** Why a policy could not be written. Nothing of it is left behind. */
export interface PolicyFailure {
  readonly failed: ApplyFailureReason;
  readonly message: string;
}

/** Whether something is a failure to write a policy. */
export function isPolicyFailure(result: PolicyVersion | PolicyFailure): result is PolicyFailure {
  return 'failed' in result;
}

/** Largest version number; 0 means "none". */
const VERSION_MAX = 2 ** 32 - 1;

/** Policies in the kernel. Inserting needs an open gate: the caller waits for it. */
export class VersionStore {
  readonly #map: RawMap;
  readonly #rows: RowStore;
  readonly #grace: GraceTracker;
  readonly #gate: InsertGate;
  readonly #versions = new Map<number, PolicyVersion>();
  #last: number;
  #count = 0;

  /** `last` is the highest number found in the kernel. */
  constructor(map: RawMap, deps: { rows: RowStore; grace: GraceTracker; gate: InsertGate }, last: number) {
    this.#map = map;
    this.#rows = deps.rows;
    this.#grace = deps.grace;
    this.#gate = deps.gate;
    this.#last = last;
  }

  /** Versions that slots use, or that wait to be deleted. */
  all(): Iterable<PolicyVersion> {
    return this.#versions.values();
  }

  /** The versions in use by endpoints of an identity. */
  ofIdentity(identity: number): readonly PolicyVersion[] {
    return [...this.#versions.values()].filter((version) => version.identity === identity && version.uses > 0);
  }

  has(number: number): boolean {
    return this.#versions.has(number);
  }

  /**
   * Writes a whole policy under a new number. No slot uses it yet, and it is not up for deletion: either a slot
   * comes to use it, or `abandon` is called.
   */
  create(identity: number, policy: CompiledPolicyShape): PolicyVersion | PolicyFailure {
    const any = this.#acquire(new Map(DIRECTIONS.map((direction) => [peerKey(direction, 0), directionOf(policy, direction).any])));
    if ('failed' in any) return any;
    const [ingress, egress] = [any.get(peerKey(INGRESS, 0)), any.get(peerKey(EGRESS, 0))];
    const number = this.#nextNumber();
    const entries = this.#insert(number, new Map(policyEntries(policy)));
    if ('failed' in entries || ingress === undefined || egress === undefined) {
      for (const row of any.values()) this.#rows.release(row);
      return 'failed' in entries ? entries : rowsFull(this.#rows.free);
    }
    const version: PolicyVersion = {
      number, identity, entries, any: [ingress, egress], stale: new Map(), uses: 0, unusedSince: undefined, source: policy,
    };
    this.#versions.set(number, version);
    return version;
  }

  /** Adds entries that no packet can ask for yet; all of them, or none. */
  extend(version: PolicyVersion, add: ReadonlyMap<PeerKey, PolicyRowShape | StoredRow>): PolicyFailure | undefined {
    const entries = this.#insert(version.number, add);
    if ('failed' in entries) return entries;
    for (const [key, row] of entries) version.entries.set(key, row);
    return undefined;
  }

  /** Takes over a version found in the kernel. */
  adopt(version: PolicyVersion): void {
    this.#versions.set(version.number, version);
    this.#count += version.entries.size;
  }

  /** Deletes entries of versions that nothing has referred to for a grace period. */
  deleteUnknown(versions: Iterable<readonly [number: number, entries: ReadonlyMap<PeerKey, unknown>]>): void {
    let deleted = false;
    for (const [number, entries] of versions) {
      this.#map.deleteBatch(encodeKeys(number, entries.keys(), entries.size), entries.size);
      deleted = true;
    }
    if (deleted) this.#gate.close();
  }

  /** One slot more. */
  use(version: PolicyVersion): void {
    version.uses++;
    version.unusedSince = undefined;
  }

  /** One slot less. Its entries stay until a grace period has gone by. */
  release(version: PolicyVersion): void {
    version.uses--;
    if (version.uses === 0) version.unusedSince = this.#grace.mark();
  }

  /** Gives up a version that no slot has come to use. */
  abandon(version: PolicyVersion): void {
    if (version.uses === 0) version.unusedSince ??= this.#grace.mark();
  }

  /** Deletes what has been unused for a grace period, and closes the gate if anything was deleted. */
  reclaim(): void {
    let deleted = false;
    for (const version of this.#versions.values()) {
      const dead = version.unusedSince !== undefined && this.#grace.passed(version.unusedSince);
      if (this.#remove(version, dead ? [...version.entries.keys()] : this.#expired(version))) deleted = true;
      if (!dead) continue;
      for (const row of version.any) this.#rows.release(row);
      this.#versions.delete(version.number);
    }
    if (deleted) this.#gate.close();
  }

  #expired(version: PolicyVersion): PeerKey[] {
    return [...version.stale].flatMap(([key, since]) => (this.#grace.passed(since) ? [key] : []));
  }

  /** A number that no entry in the kernel has; after 2^32 they begin again. */
  #nextNumber(): number {
    do this.#last = this.#last >= VERSION_MAX ? 1 : this.#last + 1;
    while (this.#versions.has(this.#last));
    return this.#last;
  }

  /** Rows for the wanted entries, one use added to each; all of them, or none. */
  #acquire(wanted: ReadonlyMap<PeerKey, PolicyRowShape | StoredRow>): Map<PeerKey, StoredRow> | PolicyFailure {
    const acquired = new Map<PeerKey, StoredRow>();
    for (const [key, row] of wanted) {
      const failure = 'boundaries' in row ? tooLong(row) : undefined;
      const stored = failure === undefined ? ('boundaries' in row ? this.#rows.acquire(row) : this.#rows.share(row)) : undefined;
      if (stored === undefined) {
        for (const taken of acquired.values()) this.#rows.release(taken);
        return failure ?? rowsFull(this.#rows.free);
      }
      acquired.set(key, stored);
    }
    return acquired;
  }

  /** Writes entries; all of them, or none. */
  #insert(number: number, wanted: ReadonlyMap<PeerKey, PolicyRowShape | StoredRow>): Map<PeerKey, StoredRow> | PolicyFailure {
    const entries = this.#acquire(wanted);
    if ('failed' in entries) return entries;
    const failure = this.#count + entries.size > this.#map.maxEntries ? mapFull(this.#count, entries.size, this.#map.maxEntries) : this.#write(number, entries);
    if (failure !== undefined) {
      for (const row of entries.values()) this.#rows.release(row);
      return failure;
    }
    this.#count += entries.size;
    return entries;
  }

  #write(number: number, entries: ReadonlyMap<PeerKey, StoredRow>): PolicyFailure | undefined {
    if (entries.size === 0) return undefined;
    const keys = encodeKeys(number, entries.keys(), entries.size);
    try {
      this.#map.updateBatch(keys, encodeValues(entries.values(), entries.size), entries.size);
      return undefined;
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#map.deleteBatch(keys, entries.size);
      this.#gate.close();
      return mapFull(this.#count, entries.size, this.#map.maxEntries);
    }
  }

  /** True if there was anything to delete. The caller closes the gate. */
  #remove(version: PolicyVersion, keys: readonly PeerKey[]): boolean {
    if (keys.length === 0) return false;
    this.#map.deleteBatch(encodeKeys(version.number, keys, keys.length), keys.length);
    for (const key of keys) {
      const row = version.entries.get(key);
      version.stale.delete(key);
      if (row === undefined || !version.entries.delete(key)) continue;
      this.#count--;
      this.#rows.release(row);
    }
    return true;
  }
}

function* policyEntries(policy: CompiledPolicyShape): Iterable<[PeerKey, PolicyRowShape]> {
  for (const direction of DIRECTIONS) {
    for (const [identity, row] of directionOf(policy, direction).byIdentity) yield [peerKey(direction, identity), row];
  }
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
