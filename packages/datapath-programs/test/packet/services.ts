import { encodeBytes } from '@cilium-ts/bpf-maps';
import { parseCidr } from '@cilium-ts/core';
import { backend, backendOffsets, frontendKey, service, SERVICE_FLAG, sourceRangeKey } from '@cilium-ts/datapath-layout';
import { key16, type Sandbox } from './sandbox.ts';
import type { MappedArray } from 'libbpf-napi';

export interface TestBackend {
  readonly address: string;
  readonly port: number;
}

export interface TestService {
  readonly id: number;
  /** All 0: any address of the node. */
  readonly address: string;
  readonly port: number;
  readonly protocol: number;
  readonly scope?: number;
  readonly flags?: number;
  readonly affinityTimeout?: number;
  readonly backends: readonly TestBackend[];
}

/** Services written into the maps as the service writer would leave them. A service has the pool of its id. */
export class Services {
  readonly #sandbox: Pick<Sandbox, 'map'>;
  readonly #services: MappedArray;
  readonly #backends: MappedArray;
  readonly #runs: MappedArray;
  readonly #vips: MappedArray;
  #nextBackend = 1;
  #nextRun = 0;
  #generation = 0;

  constructor(sandbox: Pick<Sandbox, 'map'>) {
    this.#sandbox = sandbox;
    this.#services = sandbox.map('cilium_services').mmap();
    this.#backends = sandbox.map('cilium_backends').mmap();
    this.#runs = sandbox.map('cilium_service_runs').mmap();
    this.#vips = sandbox.map('cilium_vips').mmap();
  }

  /** Returns the indexes of the backends. */
  add(spec: TestService): number[] {
    const { id, address, port, protocol, scope = 0, flags = 0, affinityTimeout = 0 } = spec;
    const indexes = spec.backends.map((each) => this.addBackend(id, each, protocol));
    this.#services.bytes.set(encodeBytes(service, {
      target: this.#run(indexes), address: key16(address), port, protocol, scope, flags: flags | (affinityTimeout > 0 ? SERVICE_FLAG.AFFINITY : 0),
      pool: id, affinityTimeout, generation: 1, reserved: new Uint8Array(20),
    }), id * service.size);
    if (!/^(0\.0\.0\.0|::)$/.test(address)) this.possible(address);
    this.#sandbox.map('cilium_frontends').update(encodeBytes(frontendKey, { address: key16(address), port, protocol, scope }), Uint8Array.of(id, 0, 0, 0));
    return indexes;
  }

  addBackend(pool: number, each: TestBackend, protocol: number): number {
    const index = this.#nextBackend++;
    this.setBackend(index, pool, each, protocol);
    return index;
  }

  /** Gives a backend's place to another, or to the same anew. */
  setBackend(index: number, pool: number, { address, port }: TestBackend, protocol: number): void {
    this.#backends.bytes.set(encodeBytes(backend, {
      address: key16(address), generation: ++this.#generation, pool, port, protocol, state: 0, zone: 0, flags: 0, reserved: new Uint8Array(2),
    }), index * backend.size);
  }

  #run(indexes: readonly number[]): bigint {
    if (indexes.length === 0) return 0n;
    const offset = this.#nextRun;
    const words = new Uint32Array(this.#runs.bytes.buffer, this.#runs.bytes.byteOffset, this.#runs.bytes.length / 4);
    words.set(indexes, offset);
    this.#nextRun += indexes.length + (indexes.length & 1);
    return BigInt(offset) | (BigInt(indexes.length) << 32n);
  }

  /** Gives a service these backends instead, by one store. */
  retarget(id: number, indexes: readonly number[]): void {
    this.#services.store64(id * 8, this.#run(indexes));
  }

  endBackend(index: number): void {
    new DataView(this.#backends.bytes.buffer, this.#backends.bytes.byteOffset).setUint32(index * backend.size + 16, 0, true);
  }

  setState(index: number, state: number): void {
    this.#backends.bytes[index * backend.size + backendOffsets.state] = state;
  }

  removeFrontend(address: string, port: number, protocol: number, scope = 0): void {
    this.#sandbox.map('cilium_frontends').delete(encodeBytes(frontendKey, { address: key16(address), port, protocol, scope }));
  }

  addSourceRange(id: number, cidr: string): void {
    const prefix = parseCidr(cidr)!;
    const key = encodeBytes(sourceRangeKey, { prefixlen: 32 + (prefix.family === 4 ? 96 : 0) + prefix.prefixLength, service: id, address: key16(prefix.address.text) });
    this.#sandbox.map('cilium_source_ranges').update(key, new Uint8Array(4));
  }

  /** Sets the bit of an address in the filter. */
  possible(address: string): void {
    const { buffer, byteOffset } = key16(address);
    const view = new DataView(buffer, byteOffset);
    const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    const hash = Math.imul(words.reduce((all, each) => all ^ each), 0x9e3779b1) >>> 12;
    this.#vips.bytes[hash >>> 3]! |= 1 << (hash & 7);
  }

  /** Takes everything away. */
  clear(): void {
    const frontends = this.#sandbox.map('cilium_frontends');
    for (const key of [...frontends.keys()]) frontends.delete(key);
    const affinities = this.#sandbox.map('cilium_affinities');
    for (const key of [...affinities.keys()]) affinities.delete(key);
    this.#vips.bytes.fill(0);
    this.#backends.bytes.fill(0);
    this.#services.bytes.fill(0);
    this.#nextBackend = 1;
    this.#nextRun = 0;
  }
}
