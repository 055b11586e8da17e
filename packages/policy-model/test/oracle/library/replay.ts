import type { NumericIdentity } from '@cilium-ts/identity';
import type { CompiledDirection, CompiledPolicy, DirectionDelta, PolicyDelta, PolicyRow } from '../../../src/index.ts';

/** A policy as deltas add up to it. */
export interface ReplayedDirection {
  enforced: boolean;
  any: string;
  readonly byIdentity: Map<NumericIdentity, string>;
  /** The rows, for what is in them. */
  readonly rows: Map<string, PolicyRow>;
}

export interface Replayed {
  readonly ingress: ReplayedDirection;
  readonly egress: ReplayedDirection;
}

/** Subjects by what was said of them; `undefined`: their policy can not be compiled. */
export type Replay = Map<NumericIdentity, Replayed | undefined>;

const nothing = (): ReplayedDirection => ({ enforced: false, any: '', byIdentity: new Map(), rows: new Map() });

/** Applies a delta. Throws where it says what is so already, or takes away what is not there. */
export function apply(replay: Replay, delta: PolicyDelta): void {
  for (const [id, change] of delta.subjects) {
    if (change.kind === 'removed') {
      if (!replay.delete(id)) throw new Error(`subject ${id} was removed, and nobody had heard of it`);
    } else if (change.kind === 'failed') {
      replay.set(id, undefined);
    } else {
      const policy = replay.get(id) ?? { ingress: nothing(), egress: nothing() };
      replay.set(id, policy);
      for (const side of ['ingress', 'egress'] as const) applyDirection(policy[side], change[side], `${side} of ${id}`);
    }
  }
}

function applyDirection(known: ReplayedDirection, delta: DirectionDelta | undefined, where: string): void {
  if (delta === undefined) return;
  const { enforced, any, upserted, removed } = delta;
  const before = JSON.stringify([known.enforced, known.any]);
  known.enforced = enforced;
  if (any !== undefined) {
    known.any = any.key;
    known.rows.set(any.key, any);
  }
  if (before === JSON.stringify([known.enforced, known.any]) && upserted.size + removed.size === 0) throw new Error(`${where}: a delta without a change`);
  for (const [peer, row] of upserted) {
    if (known.byIdentity.get(peer) === row.key) throw new Error(`${where}: peer ${peer} had that row`);
    known.byIdentity.set(peer, row.key);
    known.rows.set(row.key, row);
  }
  for (const peer of removed) if (!known.byIdentity.delete(peer)) throw new Error(`${where}: peer ${peer} had no row`);
}

/** A direction as text, whether it was compiled or added up. */
export function directionText(direction: CompiledDirection | ReplayedDirection): string {
  const key = (row: PolicyRow | string): string => (typeof row === 'string' ? row : row.key);
  const peers = [...direction.byIdentity].sort(([a], [b]) => a - b).map(([id, row]) => `${id}=${key(row)}`);
  return `${direction.enforced} ${key(direction.any)} ${peers.join(' ')}`;
}

export function policyText({ ingress, egress }: CompiledPolicy | Replayed): string {
  return `${directionText(ingress)}\n${directionText(egress)}`;
}

/** The rule sets that rows in use have. */
export function ruleSetsOf(replay: Replay): string[] {
  const ids = new Set<string>();
  for (const policy of replay.values()) {
    for (const { any, byIdentity, rows } of policy === undefined ? [] : [policy.ingress, policy.egress]) {
      for (const key of [any, ...byIdentity.values()]) for (const { id } of rows.get(key)?.ruleSets ?? []) ids.add(id);
    }
  }
  return [...ids].sort();
}
