import type { CompiledDirectionShape, CompiledPolicyShape, PolicyRowShape } from '../state/desired.ts';
import type { GraceMark } from './grace.ts';
import { rowKey } from './row-content.ts';
import type { StoredRow } from './row-store.ts';

/** Direction numbers of policy keys. */
export const INGRESS = 0;
export const EGRESS = 1;
export const DIRECTIONS = [INGRESS, EGRESS] as const;
/** 0 ingress, 1 egress. */
export type Direction = (typeof DIRECTIONS)[number];

/** Direction and peer identity as one number. */
export type PeerKey = number;

/** The peer key of a direction and an identity. */
export function peerKey(direction: Direction, identity: number): PeerKey {
  return direction * 2 ** 32 + identity;
}

/** The identity within a peer key. */
export function peerIdentity(key: PeerKey): number {
  return key % 2 ** 32;
}

/** The direction within a peer key. */
export function peerDirection(key: PeerKey): Direction {
  return key >= 2 ** 32 ? EGRESS : INGRESS;
}

/** A policy in the kernel, under a number that no other has. Slots of one identity share it. */
export interface PolicyVersion {
  readonly number: number;
  /** The identity of the endpoints under this policy. */
  readonly identity: number;
  readonly entries: Map<PeerKey, StoredRow>;
  readonly any: readonly [ingress: StoredRow, egress: StoredRow];
  /** Entries that nothing can look up any more, and since when; deleted after a grace period. */
  readonly stale: Map<PeerKey, GraceMark>;
  /** Slots whose cell names this version. */
  uses: number;
  /** Since when none does any more; undefined too for a version that waits for its first. */
  unusedSince: GraceMark | undefined;
  /** The compiled policy that this version is known to be equal to. */
  source: CompiledPolicyShape | undefined;
}

/** One direction of a compiled policy by its number. */
export function directionOf(policy: CompiledPolicyShape, direction: Direction): CompiledDirectionShape {
  return direction === INGRESS ? policy.ingress : policy.egress;
}

/** The row that a compiled policy has for a peer. */
export function desiredRow(policy: CompiledPolicyShape, direction: Direction, identity: number): PolicyRowShape {
  const side = directionOf(policy, direction);
  return side.byIdentity.get(identity) ?? side.any;
}

/** The row that a version in the kernel has for a peer. */
export function effectiveRow(version: PolicyVersion, direction: Direction, identity: number): StoredRow {
  return version.entries.get(peerKey(direction, identity)) ?? version.any[direction];
}

/** A direction without any other row than the one for any identity, now and later: no look-up is needed. */
export function isAnyOnly(side: CompiledDirectionShape): boolean {
  return !side.enforced && side.byIdentity.size === 0;
}

/** Which identities packets can carry, before and after a change. */
export interface Carriers {
  now(identity: number): boolean;
  next(identity: number): boolean;
}

/** How a version in force differs from a policy. */
export type Difference =
  | { readonly kind: 'same' }
  /** Only identities that no packet carries yet are missing, or ones that none will carry are superfluous. */
  | { readonly kind: 'additive'; readonly add: ReadonlyMap<PeerKey, PolicyRowShape>; readonly superfluous: readonly PeerKey[] }
  /** The verdict of a live flow may change. */
  | { readonly kind: 'switch' };

const SWITCH: Difference = { kind: 'switch' };

/** Entries that were to be deleted, but are wanted again, stay. */
export function revive(version: PolicyVersion, policy: CompiledPolicyShape): void {
  for (const key of version.stale.keys()) if (directionOf(policy, peerDirection(key)).byIdentity.has(peerIdentity(key))) version.stale.delete(key);
}

/** Compares a version with the policy that should be in force, given who can be a peer before and after. */
export function difference(version: PolicyVersion, policy: CompiledPolicyShape, carriers: Carriers): Difference {
  if (version.source === policy && version.stale.size === 0) return { kind: 'same' };
  const add = new Map<PeerKey, PolicyRowShape>();
  const superfluous: PeerKey[] = [];
  for (const direction of DIRECTIONS) {
    const side = directionOf(policy, direction);
    if (version.any[direction].key !== rowKey(side.any)) return SWITCH;
    for (const [identity, row] of side.byIdentity) {
      const key = peerKey(direction, identity);
      const stored = version.entries.get(key);
      if (stored?.key === rowKey(row)) continue;
      if (stored !== undefined || carriers.now(identity)) {
        if ((stored ?? version.any[direction]).key !== rowKey(row)) return SWITCH;
        continue;
      }
      add.set(key, row);
    }
  }
  for (const [key, row] of version.entries) {
    const [direction, identity] = [peerDirection(key), peerIdentity(key)];
    if (directionOf(policy, direction).byIdentity.has(identity)) continue;
    if (carriers.next(identity) && row.key !== version.any[direction].key) return SWITCH;
    if (!carriers.next(identity) && !version.stale.has(key)) superfluous.push(key);
  }
  return add.size === 0 && superfluous.length === 0 ? { kind: 'same' } : { kind: 'additive', add, superfluous };
}
