import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { ipFromKey16, ipToKey16 } from '@cilium-ts/core';
import { frontend, frontendKey, SERVICE_SCOPE, SERVICE_WILDCARD } from '@cilium-ts/datapath-layout';
import type { GraceTracker } from '../write/grace.ts';
import { createInsertGate, type InsertGate } from '../write/insert-gate.ts';
import { isFull } from '../write/version-store.ts';
import { isWildcard, type ServiceRecord } from './records.ts';

/** What a frontend is found by. */
export type FrontendIdentity = Pick<ServiceRecord, 'address' | 'port' | 'protocol' | 'scope'>;

/** The frontends in the kernel. */
export class FrontendTable {
  readonly #map: RawMap;
  readonly #gate: InsertGate;

  constructor(map: RawMap, grace: GraceTracker) {
    this.#map = map;
    this.#gate = createInsertGate(grace);
  }

  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** May one be inserted now? */
  get isOpen(): boolean {
    return this.#gate.isOpen;
  }

  /** Resolves when one may be. */
  async opened(): Promise<void> {
    while (!this.#gate.isOpen) await this.#gate.opened();
  }

  /** Leads a frontend to its service; the table must be open. False when there is no room. */
  insert(record: ServiceRecord): boolean {
    return this.#update(record, 'noexist');
  }

  /** Leads a frontend that is there to another service; the table must be open, and is not after. */
  replace(record: ServiceRecord): boolean {
    const done = this.#update(record, 'exist');
    this.#gate.close();
    return done;
  }

  delete(identity: FrontendIdentity): void {
    this.#map.delete(keyOf(identity));
    this.#gate.close();
  }

  #update(record: ServiceRecord, flags: 'noexist' | 'exist'): boolean {
    try {
      this.#map.update(keyOf(record), encodeBytes(frontend, { service: isWildcard(record) ? SERVICE_WILDCARD : record.id }), flags);
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
  }
}

/** Every frontend in the kernel, and its service: undefined for a wildcard. */
export function* readFrontends(map: RawMap): Iterable<FrontendIdentity & { readonly service: number | undefined }> {
  for (const [key, value] of map.entries()) {
    const { address, port, protocol, scope } = decodeBytes(frontendKey, key);
    const { service } = decodeBytes(frontend, value);
    yield { address: ipFromKey16(address), port, protocol, scope: scope === SERVICE_SCOPE.INTERNAL ? 'internal' : 'external', service: service === SERVICE_WILDCARD ? undefined : service };
  }
}

function keyOf({ address, port, protocol, scope }: FrontendIdentity): Uint8Array {
  return encodeBytes(frontendKey, { address: ipToKey16(address), port, protocol, scope: scope === 'internal' ? SERVICE_SCOPE.INTERNAL : SERVICE_SCOPE.EXTERNAL });
}
