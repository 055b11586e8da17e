import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { ipFromKey16, ipToKey16 } from '@cilium-ts/core';
import { frontend, frontendKey, SERVICE_SCOPE, SERVICE_WILDCARD } from '@cilium-ts/datapath-layout';
import type { WordArray } from '../ports.ts';
import { bumpAddress, bumpPrefixes } from '../write/buckets.ts';
import type { GraceTracker } from '../write/grace.ts';
import { createInsertGate, type InsertGate } from '../write/insert-gate.ts';
import { isFull } from '../write/version-store.ts';
import type { ServiceStore } from './ports.ts';
import { isWildcard, type ServiceRecord } from './records.ts';
import { isAnyAddress } from './vip-filter.ts';

/** What a frontend is found by. */
export type FrontendIdentity = Pick<ServiceRecord, 'address' | 'port' | 'protocol' | 'scope'>;

/** The frontends in the kernel. */
export class FrontendTable {
  readonly #map: RawMap;
  readonly #node: WordArray | undefined;
  readonly #gate: InsertGate;

  constructor({ frontends, node }: Pick<ServiceStore, 'frontends' | 'node'>, grace: GraceTracker) {
    this.#map = frontends;
    this.#node = node;
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

  /**
   * Leads a frontend to its service; the table must be open. False when there is no room. Flows that ran to the address
   * before, to whoever it was, are decided anew with their next packet.
   */
  insert(record: ServiceRecord): boolean {
    if (!this.#update(record, 'noexist')) return false;
    if (this.#node !== undefined && isAnyAddress(record.address)) bumpPrefixes(this.#node);
    else if (this.#node !== undefined) bumpAddress(this.#node, ipToKey16(record.address));
    return true;
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
