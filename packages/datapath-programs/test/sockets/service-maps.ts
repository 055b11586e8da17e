import { encodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16, parseIp } from '@cilium-ts/core';
import { ADDRESS_LOCAL, backend, backendOffsets, frontend, frontendKey, REMOTE_FLAG, service, SERVICE_SCOPE, VIP_BITS } from '@cilium-ts/datapath-layout';
import type { BpfMap, MappedArray } from 'libbpf-napi';
import { remoteValue } from '../support/remote-value.ts';

/** The maps that services live in. */
export type ServiceMaps = Readonly<Record<'cilium_frontends' | 'cilium_services' | 'cilium_backends' | 'cilium_service_runs' | 'cilium_vips' | 'cilium_addresses' | 'cilium_remotes', BpfMap>>;

/** A frontend with the backends that it leads to, all given by hand. */
export interface TestService {
  readonly id: number;
  /** `0.0.0.0` and `::` stand for any address of the node. */
  readonly address: string;
  readonly port: number;
  readonly protocol?: 'tcp' | 'udp';
  readonly flags?: number;
  readonly scope?: number;
  readonly pool?: number;
  readonly affinityTimeout?: number;
  /** Indexes of backends. */
  readonly run: readonly number[];
}

export const NUMBERS = { tcp: 6, udp: 17 } as const;
export const key16 = (ip: string): Uint8Array<ArrayBuffer> => new Uint8Array(ipToKey16(parseIp(ip)!));
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Writes services by hand: no order, no grace periods, since nothing else runs meanwhile. */
export class ServiceTables {
  readonly #maps: ServiceMaps;
  readonly #backends: MappedArray;
  readonly #services: MappedArray;
  readonly #runs: MappedArray;
  readonly #vips: MappedArray;
  #nextRun = 0;

  constructor(maps: ServiceMaps) {
    this.#maps = maps;
    this.#backends = maps.cilium_backends.mmap();
    this.#services = maps.cilium_services.mmap();
    this.#runs = maps.cilium_service_runs.mmap();
    this.#vips = maps.cilium_vips.mmap();
  }

  /** Puts a backend in place; generation 0 takes it away. */
  backend(index: number, address: string, port: number, options: { readonly pool?: number; readonly generation?: number; readonly protocol?: 'tcp' | 'udp' } = {}): void {
    this.#backends.bytes.set(
      encodeBytes(backend, {
        address: key16(address), generation: options.generation ?? 1, pool: options.pool ?? 1, port, protocol: NUMBERS[options.protocol ?? 'udp'],
        state: 0, zone: 0, flags: 0, reserved: new Uint8Array(2),
      }),
      index * backend.size,
    );
  }

  /** Ends a backend, whatever runs still name it. */
  end(index: number): void {
    this.#backends.bytes.fill(0, index * backend.size + backendOffsets.generation, index * backend.size + backendOffsets.generation + 4);
  }

  /** Puts a frontend and its service in place. */
  service(it: TestService): void {
    const protocol = NUMBERS[it.protocol ?? 'udp'];
    const scope = it.scope ?? SERVICE_SCOPE.EXTERNAL;
    this.#services.bytes.set(
      encodeBytes(service, {
        target: this.#run(it.run), address: key16(it.address), port: it.port, protocol, scope, flags: it.flags ?? 0, pool: it.pool ?? 1,
        affinityTimeout: it.affinityTimeout ?? 0, generation: 1, reserved: new Uint8Array(20),
      }),
      it.id * service.size,
    );
    this.vip(it.address);
    this.#maps.cilium_frontends.update(encodeBytes(frontendKey, { address: key16(it.address), port: it.port, protocol, scope }), encodeBytes(frontend, { service: it.id }));
  }

  /** Leads a service to other backends. */
  retarget(id: number, run: readonly number[]): void {
    this.#services.store64((id * service.size) / 8, this.#run(run));
  }

  #run(run: readonly number[]): bigint {
    if (run.length === 0) return 0n;
    const offset = this.#nextRun;
    for (const [place, index] of run.entries()) new DataView(this.#runs.bytes.buffer, this.#runs.bytes.byteOffset).setUint32((offset + place) * 4, index, true);
    this.#nextRun += run.length + (run.length & 1);
    return BigInt(offset) | (BigInt(run.length) << 32n);
  }

  vip(address: string): void {
    const words = new Uint32Array(key16(address).buffer);
    const bit = Math.imul(words.reduce((mixed, word) => mixed ^ word, 0), 0x9e37_79b1) >>> (32 - VIP_BITS);
    this.#vips.store64(bit >>> 6, this.#vips.load64(bit >>> 6) | (1n << BigInt(bit & 63)));
  }

  /** Declares an address to be one of the node's. */
  nodeAddress(address: string, index: number): void {
    if (index >= ADDRESS_LOCAL) throw new RangeError('index: too large');
    this.#maps.cilium_remotes.update(u32(index), remoteValue(1, REMOTE_FLAG.HOST));
    this.#maps.cilium_addresses.update(key16(address), u32(index));
    this.vip(address);
  }
}
