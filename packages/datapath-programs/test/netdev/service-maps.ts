import { encodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16, parseCidr, parseIp, type Cidr } from '@cilium-ts/core';
import { backend, frontendKey, poolMember, SERVICE_FLAG, SERVICE_WILDCARD, service, sourceRangeKey } from '@cilium-ts/datapath-layout';
import type { BpfMap } from 'libbpf-napi';

/** A service of the tests. Flags as in Cilium; ROUTABLE is added. */
export interface TestService {
  /** Absent: every address of the node, of the family of the first backend unless `family` says. */
  readonly address?: string;
  readonly port: number;
  readonly protocol?: number;
  readonly flags?: number;
  readonly family?: 4 | 6;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
  readonly affinitySeconds?: number;
  readonly sourceRanges?: readonly string[];
}

/** Writes services into their maps as they are, without the service writer: the programs' tests do not depend on it. */
export class ServiceMaps {
  readonly map: (name: string) => BpfMap;
  #nextService = 1;
  #nextBackend = 1;
  #nextRun = 0;

  constructor(map: (name: string) => BpfMap) {
    this.map = map;
  }

  markVip(address: string): void {
    const view = new DataView(key16(address).buffer);
    const word = [0, 4, 8, 12].reduce((sum, at) => sum ^ view.getUint32(at, true), 0);
    const hash = Math.imul(word, 0x9e3779b1) >>> 12;
    const bits = this.map('cilium_vips').mmap();
    bits.store64(hash >>> 6, bits.load64(hash >>> 6) | (1n << BigInt(hash & 63)));
  }

  /** Indexes of its backends. */
  addService(added: TestService): { readonly id: number; readonly backends: readonly number[] } {
    const id = this.#nextService++;
    const family = added.family ?? (added.address ?? added.backends[0]!.address).includes(':') ? 6 : 4;
    const address = added.address ?? (family === 4 ? '0.0.0.0' : '::');
    const protocol = added.protocol ?? 6;
    const indexes = added.backends.map((each) => this.addBackend(id, each.address, each.port, protocol));
    const ranges = added.sourceRanges ?? [];
    const flags = (added.flags ?? 0) | SERVICE_FLAG.ROUTABLE | (added.affinitySeconds === undefined ? 0 : SERVICE_FLAG.AFFINITY) | (ranges.length === 0 ? 0 : SERVICE_FLAG.SOURCE_RANGE);
    this.map('cilium_services').mmap().bytes.set(encodeBytes(service, {
      target: this.#run(indexes), address: key16(address), port: added.port, protocol, scope: 0, flags, pool: id, affinityTimeout: added.affinitySeconds ?? 0, generation: 1, reserved: new Uint8Array(20),
    }), id * 64);
    this.#frontend(address, added.port, protocol, id);
    for (const range of ranges) this.#sourceRange(id, range);
    if (added.address !== undefined) this.markVip(address);
    return { id, backends: indexes };
  }

  /** Replaces a service's source ranges. */
  setSourceRanges(id: number, cidrs: readonly Cidr[]): void {
    const map = this.map('cilium_source_ranges');
    for (const key of [...map.keys()]) if (new DataView(key.buffer, key.byteOffset).getUint32(4, true) === id) map.delete(key);
    for (const { text } of cidrs) this.#sourceRange(id, text);
  }

  #sourceRange(id: number, text: string): void {
    const cidr = parseCidr(text)!;
    this.map('cilium_source_ranges').update(encodeBytes(sourceRangeKey, { prefixlen: 32 + cidr.prefixLength + (cidr.family === 4 ? 96 : 0), service: id, address: ipToKey16(cidr.address) }), u32(1));
  }

  addWildcard(address: string): void {
    this.#frontend(address, 0, 0, SERVICE_WILDCARD);
    this.markVip(address);
  }

  #frontend(address: string, port: number, protocol: number, id: number): void {
    this.map('cilium_frontends').update(encodeBytes(frontendKey, { address: key16(address), port, protocol, scope: 0 }), u32(id));
  }

  addBackend(pool: number, address: string, port: number, protocol: number): number {
    const index = this.#nextBackend++;
    this.map('cilium_pool_members').update(encodeBytes(poolMember, { address: key16(address), pool, port, protocol, reserved: 0 }), u32(1));
    this.map('cilium_backends').mmap().bytes.set(encodeBytes(backend, { address: key16(address), generation: 1, pool, port, protocol, state: 0, zone: 0, flags: 0, reserved: new Uint8Array(2) }), index * backend.size);
    return index;
  }

  endBackend(index: number): void {
    const bytes = this.map('cilium_backends').mmap().bytes;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(index * backend.size + 16, 0, true);
  }

  /** Gives a service other backends. */
  setBackends(id: number, indexes: readonly number[]): void {
    this.map('cilium_services').mmap().store64(id * 8, this.#run(indexes));
  }

  #run(indexes: readonly number[]): bigint {
    if (indexes.length === 0) return 0n;
    const offset = this.#nextRun;
    const bytes = this.map('cilium_service_runs').mmap().bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    indexes.forEach((index, at) => view.setUint32((offset + at) * 4, index, true));
    this.#nextRun += indexes.length + (indexes.length & 1);
    return BigInt(offset) | (BigInt(indexes.length) << 32n);
  }
}

/** The 16-byte form of an address. */
export function key16(text: string): Uint8Array {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new TypeError(`ip: ${text}`);
  return ipToKey16(parsed);
}

/** A number as four bytes. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
