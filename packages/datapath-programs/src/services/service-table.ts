import { ipFromKey16 } from '@cilium-ts/core';
import { service, serviceOffsets, SERVICE_SCOPE } from '@cilium-ts/datapath-layout';
import { putKey16 } from './key16.ts';
import type { WordBlock } from './ports.ts';
import type { ServiceRecord } from './records.ts';

/** Words of a service. */
export const SERVICE_WORDS = service.size / 8;
const TARGET_WORD = serviceOffsets.target / 8;
/** Port, protocol, scope (which stay) and flags. */
const FLAGS_WORD = serviceOffsets.port / 8;
/** Pool and affinity timeout. */
const POOL_WORD = serviceOffsets.pool / 8;
const GENERATION_WORD = serviceOffsets.generation / 8;
const LOW = 0xffff_ffffn;

/** What the kernel says about an id. */
export type FoundService = Omit<ServiceRecord, 'sourceRanges'> & { readonly target: bigint; readonly generation: number };

/** The services in the kernel. */
export class ServiceTable {
  readonly #words: WordBlock;
  readonly #fields = new BigUint64Array(SERVICE_WORDS);
  readonly #bytes = new Uint8Array(this.#fields.buffer);
  readonly #view = new DataView(this.#fields.buffer);

  constructor(words: WordBlock) {
    this.#words = words;
  }

  /** Ids from 1 up to this. */
  get capacity(): number {
    return Math.floor(this.#words.length / SERVICE_WORDS);
  }

  /** Writes a service that no frontend leads to, after a grace period without any. Its generation grows. */
  write(record: ServiceRecord, target: bigint): void {
    const base = record.id * SERVICE_WORDS;
    const last = this.#words.load(base + GENERATION_WORD) & LOW;
    this.#encode(record);
    this.#fields[TARGET_WORD] = target;
    this.#fields[GENERATION_WORD] = last === LOW ? 1n : last + 1n;
    this.#words.write(base, this.#fields);
  }

  /** Leads a service to another run, or to none (0). True if it was another one. */
  setTarget(id: number, target: bigint): boolean {
    return this.#store(id, TARGET_WORD, target);
  }

  /** Changes the flags of a service in use, all at once. True if they differed. */
  setFlags(record: ServiceRecord): boolean {
    this.#encode(record);
    return this.#store(record.id, FLAGS_WORD, this.#fields[FLAGS_WORD] ?? 0n);
  }

  /** Changes pool and affinity timeout of a service in use, both at once. True if they differed. */
  setPool(record: ServiceRecord): boolean {
    this.#encode(record);
    return this.#store(record.id, POOL_WORD, this.#fields[POOL_WORD] ?? 0n);
  }

  /** Zeroes the targets of ids that no frontend leads to. */
  clearExcept(used: ReadonlySet<number>): void {
    for (let id = 0; id < this.capacity; id++) if (!used.has(id)) this.setTarget(id, 0n);
  }

  #store(id: number, word: number, value: bigint): boolean {
    const index = id * SERVICE_WORDS + word;
    if (this.#words.load(index) === value) return false;
    this.#words.store(index, value);
    return true;
  }

  #encode({ address, port, protocol, scope, flags, pool, affinityTimeout }: ServiceRecord): void {
    this.#fields.fill(0n);
    putKey16(this.#bytes, serviceOffsets.address, address);
    this.#view.setUint16(serviceOffsets.port, port);
    this.#bytes[serviceOffsets.protocol] = protocol;
    this.#bytes[serviceOffsets.scope] = scope === 'internal' ? SERVICE_SCOPE.INTERNAL : SERVICE_SCOPE.EXTERNAL;
    this.#view.setUint32(serviceOffsets.flags, flags, true);
    this.#view.setUint32(serviceOffsets.pool, pool, true);
    this.#view.setUint32(serviceOffsets.affinityTimeout, affinityTimeout, true);
  }
}

/** The service of an id, as it is in the kernel; undefined for an id beyond the map. */
export function readService(words: WordBlock, id: number): FoundService | undefined {
  if (id < 1 || (id + 1) * SERVICE_WORDS > words.length) return undefined;
  const fields = new BigUint64Array(SERVICE_WORDS);
  words.read(id * SERVICE_WORDS, fields);
  const { target, address, port, protocol, scope, flags, pool, affinityTimeout, generation } = service.decode(new DataView(fields.buffer), 0);
  return { id, address: ipFromKey16(address), port, protocol, scope: scope === SERVICE_SCOPE.INTERNAL ? 'internal' : 'external', flags, pool, affinityTimeout, target, generation };
}
