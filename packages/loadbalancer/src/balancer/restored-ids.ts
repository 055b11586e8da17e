import type { IpAddress } from '@cilium-ts/core';
import type { Scope } from '../model/records.ts';
import { frontendKey } from '../plan/frontend-plan.ts';

/** Ids found in the kernel after a restart. */
export interface RestoredIds {
  readonly services: readonly {
    readonly id: number;
    readonly address: IpAddress;
    readonly port: number;
    readonly protocol: number;
    readonly scope: Scope;
    readonly pool: number;
  }[];
  readonly backends: readonly {
    readonly index: number;
    readonly pool: number;
    readonly address: IpAddress;
    readonly port: number;
    readonly protocol: number;
  }[];
}

/** What is kept of them until those that they belong to come back. */
export interface RestoredStore {
  /** The id of a frontend, by {@link scopedKey}; given out once. */
  claimService(key: string): number | undefined;
  /** The pool that a frontend had; given out once. */
  claimPool(keys: readonly string[]): number | undefined;
  /** The index of a backend; given out once. */
  claimBackend(pool: number, backend: string, protocol: number): number | undefined;
  /** Forgets the rest and says which ids that were. */
  drop(): { readonly services: readonly number[]; readonly pools: readonly number[]; readonly backends: readonly number[] };
}

/** Identifies a frontend and scope. */
export function scopedKey(frontend: string, scope: Scope): string {
  return scope === 'internal' ? `${frontend}|i` : frontend;
}

/** Ids that wait for their owners. */
export function createRestoredStore({ services, backends }: RestoredIds): RestoredStore {
  const ids = createWaiting();
  const indexes = createWaiting();
  const poolOf = new Map<string, number>();
  const pools = new Set<number>();
  for (const { id, address, port, protocol, scope, pool } of services) {
    const key = scopedKey(frontendKey(address.text, port, protocol), scope);
    ids.add(key, id);
    poolOf.set(key, pool);
    pools.add(pool);
  }
  for (const { index, pool, address, port, protocol } of backends) {
    indexes.add(`${pool}|${address.text}|${port}|${protocol}`, index);
    pools.add(pool);
  }
  return {
    claimService: (key) => ids.claim(key),
    claimPool(keys) {
      const pool = keys.map((key) => poolOf.get(key)).find((id) => id !== undefined && pools.has(id));
      if (pool !== undefined) pools.delete(pool);
      return pool;
    },
    claimBackend: (pool, backend, protocol) => indexes.claim(`${pool}|${backend}|${protocol}`),
    drop() {
      const rest = { services: ids.drop(), pools: [...pools], backends: indexes.drop() };
      poolOf.clear();
      pools.clear();
      return rest;
    },
  };
}

/** Ids by what they stood for; of two for one thing the last is given out, and both are dropped in the end. */
function createWaiting() {
  const byKey = new Map<string, number>();
  const waiting = new Set<number>();
  return {
    add(key: string, id: number): void {
      byKey.set(key, id);
      waiting.add(id);
    },
    claim(key: string): number | undefined {
      const id = byKey.get(key);
      if (id === undefined) return undefined;
      byKey.delete(key);
      waiting.delete(id);
      return id;
    },
    drop(): readonly number[] {
      const rest = [...waiting];
      byKey.clear();
      waiting.clear();
      return rest;
    },
  };
}
