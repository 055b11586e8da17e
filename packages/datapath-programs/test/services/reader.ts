import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { cidrContains, ipFromKey16, ipToKey16, type IpAddress } from '@cilium-ts/core';
import { frontend, frontendKey, SERVICE_FLAG, SERVICE_WILDCARD, sourceRangeKey } from '@cilium-ts/datapath-layout';
import { BACKEND_WORDS } from '../../src/services/backend-table.ts';
import type { ServiceStore } from '../../src/services/ports.ts';
import { SERVICE_WORDS } from '../../src/services/service-table.ts';
import { isAnyAddress, vipBit } from '../../src/services/vip-filter.ts';
import { SlabHash } from '../support/slab-hash.ts';
import { cidr, frontIdentity, ip, NODE, type Front, type Spec } from './world.ts';

/** A connection that somebody opens. */
export interface Probe {
  readonly to: string;
  readonly from: 'inside' | 'outside';
  readonly client: string;
  /** 32 bits. */
  readonly hash: number;
}

/** A backend as a flow remembers it. */
export interface Remembered {
  readonly index: number;
  readonly generation: number;
  readonly endpoint: string;
}

/** What becomes of a connection: a backend, or why there is none. */
export type Outcome = { readonly result: 'backend'; readonly backend: Remembered; readonly pool: number } | { readonly result: 'unknown' | 'wildcard' | 'refused' | 'no-backend' };

const low = (word: bigint): number => Number(word & 0xffff_ffffn);
const high = (word: bigint): number => Number(word >> 32n);
const NODE_ADDRESSES: readonly string[] = NODE;

/** What the programs do for a new connection, one memory access at a time. */
export function* connect(store: ServiceStore, probe: Probe, affinities: Map<string, Remembered> = new Map()): Generator<void, Outcome, void> {
  const { address, port, protocol } = frontIdentity({ at: probe.to });
  const bit = vipBit(address);
  const filter = store.vips.load(bit >>> 6);
  yield;
  if (((filter >> BigInt(bit & 63)) & 1n) === 0n) return { result: 'unknown' };
  const anywhere = ip(address.family === 4 ? '0.0.0.0' : '::');
  let found: { address: IpAddress; service: number } | undefined;
  for (const [each, eachPort, eachProtocol] of [[address, port, protocol], ...(NODE_ADDRESSES.includes(address.text) ? [[anywhere, port, protocol] as const] : []), ...(probe.from === 'outside' ? [[address, 0, 0] as const] : [])] as const) {
    const service = yield* find(store.frontends, { address: each, port: eachPort, protocol: eachProtocol, scope: 0 });
    if (service === undefined) continue;
    found = { address: each, service };
    break;
  }
  if (found === undefined) return { result: 'unknown' };
  if (found.service === SERVICE_WILDCARD) return { result: 'wildcard' };
  let id = found.service;
  let flags = high(store.services.load(id * SERVICE_WORDS + 3));
  yield;
  if (probe.from === 'inside' && (flags & SERVICE_FLAG.TWO_SCOPES) !== 0) {
    const inner = yield* find(store.frontends, { address: found.address, port, protocol, scope: 1 });
    if (inner === undefined) return { result: 'unknown' };
    id = inner;
    flags = high(store.services.load(id * SERVICE_WORDS + 3));
    yield;
  }
  if (probe.from === 'outside' && (flags & SERVICE_FLAG.SOURCE_RANGE) !== 0) {
    const listed = store.sourceRanges.lookup(encodeBytes(sourceRangeKey, { prefixlen: 160, service: id, address: ipToKey16(ip(probe.client)) })) !== undefined;
    yield;
    if (listed === ((flags & SERVICE_FLAG.SOURCE_DENY) !== 0)) return { result: 'refused' };
  }
  return yield* select(store, { id, flags, probe }, affinities);
}

function* select(store: ServiceStore, { id, flags, probe }: { id: number; flags: number; probe: Probe }, affinities: Map<string, Remembered>): Generator<void, Outcome, void> {
  const pool = low(store.services.load(id * SERVICE_WORDS + 4));
  yield;
  const affinity = (flags & SERVICE_FLAG.AFFINITY) === 0 ? undefined : affinities.get(`${probe.client} ${pool}`);
  if (affinity !== undefined) {
    const life = store.backends.load(affinity.index * BACKEND_WORDS + 2);
    yield;
    if (low(life) === affinity.generation && high(life) === pool) {
      const endpoint = yield* endpointAt(store, affinity.index);
      return { result: 'backend', pool, backend: { ...affinity, endpoint } };
    }
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    const target = store.services.load(id * SERVICE_WORDS);
    yield;
    if (target === 0n) return { result: 'no-backend' };
    const place = low(target) + Number((BigInt(probe.hash) * BigInt(high(target))) >> 32n);
    const word = store.runs.load(Math.floor(place / 2));
    yield;
    const index = place % 2 === 0 ? low(word) : high(word);
    const life = store.backends.load(index * BACKEND_WORDS + 2);
    yield;
    if (low(life) === 0) continue;
    const backend = { index, generation: low(life), endpoint: yield* endpointAt(store, index) };
    if ((flags & SERVICE_FLAG.AFFINITY) !== 0) affinities.set(`${probe.client} ${pool}`, backend);
    return { result: 'backend', pool: high(life), backend };
  }
  return { result: 'no-backend' };
}

/** What the programs do for a packet of a flow: the endpoint it goes to, or undefined when the backend has gone. */
export function* follow(store: ServiceStore, { index, generation }: Remembered): Generator<void, string | undefined, void> {
  const life = store.backends.load(index * BACKEND_WORDS + 2);
  yield;
  if (low(life) !== generation) return undefined;
  return yield* endpointAt(store, index);
}

function* endpointAt(store: ServiceStore, index: number): Generator<void, string, void> {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  for (const [place, word] of [[0, 0], [8, 1], [16, 3]] as const) {
    view.setBigUint64(place, store.backends.load(index * BACKEND_WORDS + word), true);
    yield;
  }
  const address = ipFromKey16(bytes.subarray(0, 16));
  return `${address.family === 6 ? `[${address.text}]` : address.text}:${view.getUint16(16)}`;
}

function* find(map: RawMap, key: { address: IpAddress; port: number; protocol: number; scope: number }): Generator<void, number | undefined, void> {
  const bytes = encodeBytes(frontendKey, { ...key, address: ipToKey16(key.address) });
  if (!(map instanceof SlabHash)) {
    const value = map.lookup(bytes);
    return value === undefined ? undefined : decodeBytes(frontend, value).service;
  }
  const element = map.find(bytes);
  yield;
  if (element === undefined) return undefined;
  const { service } = decodeBytes(frontend, map.peek(element));
  yield;
  return service;
}

/** Runs a reader to its end, without anything in between. */
export function finish<T>(reader: Generator<void, T, void>): T {
  for (;;) {
    const step = reader.next();
    if (step.done === true) return step.value;
  }
}

/** What a connection may come to, and all that has a part in it. */
export interface Expected {
  readonly result: Outcome['result'];
  /** Every endpoint that lives of every scope of the frontend, with its pool. */
  readonly owned: readonly { readonly endpoint: string; readonly pool: string }[];
  /** Endpoints that the connection may get. */
  readonly endpoints: readonly string[];
  /** Pools that the client may come to, where it is not refused. */
  readonly open: readonly string[];
}

/** What a connection comes to in a state. */
export function oracle({ fronts, pools }: Spec, probe: Probe): Expected {
  const wanted = frontIdentity({ at: probe.to });
  const match = (front: Front, scope: string): boolean => {
    const each = frontIdentity(front);
    const here = each.address.text === wanted.address.text || (isAnyAddress(each.address) && each.address.family === wanted.address.family && NODE_ADDRESSES.includes(wanted.address.text));
    return here && each.port === wanted.port && each.protocol === wanted.protocol && each.scope === scope;
  };
  const exact = (scope: string): Front | undefined => fronts.find((front) => match(front, scope) && !isAnyAddress(frontIdentity(front).address)) ?? fronts.find((front) => match(front, scope));
  const poolOf = (front: Front | undefined): Spec['pools'][string] => (front?.pool === undefined ? {} : (pools[front.pool] ?? {}));
  const both = [exact('external'), exact('internal')];
  const owned = both.flatMap((front) => Object.keys(poolOf(front)).map((endpoint) => ({ endpoint, pool: front?.pool ?? '' })));
  let [front] = both;
  const open = both.flatMap((each) => each?.pool ?? []);
  const none = (result: Exclude<Outcome['result'], 'backend'>): Expected => ({ result, owned, endpoints: [], open: result === 'refused' ? [] : open });
  if (front === undefined) {
    const wildcard = fronts.some(({ at }) => at === `${probe.to.slice(0, probe.to.lastIndexOf(':'))}:0/0`);
    return none(wildcard && probe.from === 'outside' ? 'wildcard' : 'unknown');
  }
  if (probe.from === 'inside' && ((front.flags ?? 0) & SERVICE_FLAG.TWO_SCOPES) !== 0) front = both[1];
  if (front === undefined) return none('unknown');
  if (probe.from === 'outside' && front.ranges !== undefined) {
    const listed = front.ranges.some((text) => cidrContains(cidr(text), ip(probe.client)));
    if (listed === (((front.flags ?? 0) & SERVICE_FLAG.SOURCE_DENY) !== 0)) return none('refused');
  }
  const pool = poolOf(front);
  if (!Object.values(pool).some((weight) => weight > 0)) return none('no-backend');
  const affinity = ((front.flags ?? 0) & SERVICE_FLAG.AFFINITY) !== 0;
  return { result: 'backend', owned, open, endpoints: Object.entries(pool).flatMap(([endpoint, weight]) => (weight > 0 || affinity ? [endpoint] : [])) };
}
