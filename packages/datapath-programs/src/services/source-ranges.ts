import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { cidrOf, ipFromKey16, ipToKey16, type Cidr } from '@cilium-ts/core';
import { sourceRangeKey, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import type { GraceTracker } from '../write/grace.ts';
import { createInsertGate, type InsertGate } from '../write/insert-gate.ts';
import { isFull } from '../write/version-store.ts';
import type { ServiceRecord } from './records.ts';

/** Bits of a key before the address: the service's id. */
const ID_BITS = 32;
const MAPPED_BITS = 96;
const PRESENT = new Uint8Array([1, 0, 0, 0]);

/** Prefixes of services in the kernel. */
export class SourceRanges {
  readonly #map: RawMap;
  readonly #gate: InsertGate;
  /** By service id, by text. */
  readonly #present = new Map<number, Map<string, Cidr>>();

  /** Reads what is there. */
  constructor(map: RawMap, grace: GraceTracker) {
    this.#map = map;
    this.#gate = createInsertGate(grace);
    for (const { service, cidr } of readSourceRanges(map)) this.#of(service).set(cidr.text, cidr);
  }

  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** Ids that have any. */
  get services(): Iterable<number> {
    return [...this.#present.keys()];
  }

  /** What a service has. */
  of(service: number): Cidr[] {
    return [...(this.#present.get(service)?.values() ?? [])];
  }

  /** Whether a service has exactly what its record says. */
  matches(record: ServiceRecord): boolean {
    const wanted = wantedRanges(record);
    const present = this.#present.get(record.id);
    return (present?.size ?? 0) === wanted.size && [...wanted.keys()].every((text) => present?.has(text));
  }

  /** Adds what the record says and is missing. False when there is no room: then nothing has been added. */
  async add(record: ServiceRecord): Promise<boolean> {
    const missing = [...wantedRanges(record).values()].filter(({ text }) => !this.#present.get(record.id)?.has(text));
    if (missing.length === 0) return true;
    while (!this.#gate.isOpen) await this.#gate.opened();
    for (const [count, cidr] of missing.entries()) {
      try {
        this.#map.update(keyOf(record.id, cidr), PRESENT);
        this.#of(record.id).set(cidr.text, cidr);
      } catch (error) {
        if (!isFull(error)) throw error;
        for (const added of missing.slice(0, count)) this.#delete(record.id, added);
        return false;
      }
    }
    return true;
  }

  /** Deletes what a service has and the record does not say; true if there was any. Without a record, all of it. */
  prune(service: number, record?: ServiceRecord): boolean {
    const wanted = record === undefined ? undefined : wantedRanges(record);
    const surplus = this.of(service).filter(({ text }) => wanted?.has(text) !== true);
    for (const cidr of surplus) this.#delete(service, cidr);
    return surplus.length > 0;
  }

  #delete(service: number, cidr: Cidr): void {
    this.#map.delete(keyOf(service, cidr));
    this.#gate.close();
    const present = this.#of(service);
    present.delete(cidr.text);
    if (present.size === 0) this.#present.delete(service);
  }

  #of(service: number): Map<string, Cidr> {
    const known = this.#present.get(service);
    if (known !== undefined) return known;
    const made = new Map<string, Cidr>();
    this.#present.set(service, made);
    return made;
  }
}

/** The prefixes that a record asks for: of its address' family, since the shorter IPv6 ones would cover all of IPv4. */
export function wantedRanges({ flags, address, sourceRanges }: ServiceRecord): Map<string, Cidr> {
  if ((flags & SERVICE_FLAG.SOURCE_RANGE) === 0) return new Map();
  return new Map(sourceRanges.filter(({ family }) => family === address.family).map((cidr) => [cidr.text, cidr]));
}

/** Every prefix in the kernel with its service. */
export function* readSourceRanges(map: RawMap): Iterable<{ readonly service: number; readonly cidr: Cidr }> {
  for (const [key] of map.entries()) {
    const { prefixlen, service, address } = decodeBytes(sourceRangeKey, key);
    const ip = ipFromKey16(address);
    yield { service, cidr: cidrOf(ip, prefixlen - ID_BITS - (ip.family === 4 ? MAPPED_BITS : 0)) };
  }
}

function keyOf(service: number, { family, address, prefixLength }: Cidr): Uint8Array {
  return encodeBytes(sourceRangeKey, { prefixlen: ID_BITS + (family === 4 ? MAPPED_BITS : 0) + prefixLength, service, address: ipToKey16(address) });
}
