import { decodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16, type IpAddress } from '@cilium-ts/core';
import { addressBucket, ADDRESS_LOCAL, addressRef, CELL_FLAG, nodeStateOffsets, policyKey, policyValue, prefixKey, rowReferenceCount, rowReferenceOffset } from '@cilium-ts/datapath-layout';
import { encodeBytes } from '@cilium-ts/bpf-maps';
import type { MemoryStore } from './memory-store.ts';

/** The identities that stand for addresses nobody names. */
export const WORLD = { ipv4: 9, ipv6: 10 };

/** A packet of a local endpoint's. */
export interface Probe {
  readonly ifindex: number;
  readonly destination: IpAddress;
  /** protocol × 65,536 + port */
  readonly start: number;
}

/** What a packet was told, and what a flow would remember of it. */
export interface Observation {
  readonly probe: Probe;
  readonly allowed: boolean;
  /** Words that make the decision valid: if one of them changes, the flow is decided anew. */
  readonly witness: readonly (readonly [what: string, value: number])[];
}

interface Half {
  readonly version: number;
  readonly revision: number;
  readonly identity: number;
  readonly generation: number;
  readonly any: readonly [number, number];
  readonly flags: number;
}

const low = (word: bigint): number => Number(word & 0xffff_ffffn);
const high = (word: bigint): number => Number(word >> 32n);

/** Reads a slot's half word by word, pausing after each. The generation comes first, as in the programs. */
function* readHalf(store: MemoryStore, slot: number, parity: number): Generator<void, Half, void> {
  const base = slot * 8 + parity * 4;
  const second = store.cells.load(base + 1);
  yield;
  const first = store.cells.load(base);
  yield;
  const third = store.cells.load(base + 2);
  yield;
  const fourth = store.cells.load(base + 3);
  yield;
  return { version: low(first), revision: high(first), identity: low(second), generation: high(second), any: [low(third), high(third)], flags: low(fourth) };
}

function* judge(store: MemoryStore, half: Half, { direction, identity, start }: { direction: 0 | 1; identity: number; start: number }): Generator<void, boolean, void> {
  if ((half.flags & CELL_FLAG.LOCKED_DOWN) !== 0) return false;
  let reference = half.any[direction];
  if ((half.flags & (direction === 0 ? CELL_FLAG.INGRESS_ANY_ONLY : CELL_FLAG.EGRESS_ANY_ONLY)) === 0) {
    const element = store.policy.find(encodeBytes(policyKey, { version: half.version, direction, identity }));
    yield;
    if (element !== undefined) reference = decodeBytes(policyValue, store.policy.peek(element)).row;
    yield;
  }
  let verdict = 0;
  for (let index = 0; index < rowReferenceCount(reference); index++) {
    const boundary = store.rows.load(rowReferenceOffset(reference) + index);
    yield;
    if (low(boundary) > start) break;
    verdict = high(boundary);
  }
  return (verdict & 0xff) === 1;
}

/** The counter that a flow keeps for a remote address. */
export function bucketCounter(store: MemoryStore, key: Uint8Array): number {
  const offset = nodeStateOffsets.addressBuckets + addressBucket(key) * 4;
  const word = store.node.load(Math.floor(offset / 8));
  return (offset % 8 === 0 ? low(word) : high(word)) + low(store.node.load(nodeStateOffsets.addressesGeneration / 8));
}

/** What the programs do with a packet, one memory access at a time. */
export function* readPacket(store: MemoryStore, probe: Probe): Generator<void, Observation, void> {
  const parity = Number(store.node.load(nodeStateOffsets.epoch / 8) % 2n);
  yield;
  const drop = (...witness: (readonly [string, number])[]): Observation => ({ probe, allowed: false, witness });
  const key32 = new Uint8Array(4);
  new DataView(key32.buffer).setUint32(0, probe.ifindex, true);
  const device = store.devices.lookup(key32);
  yield;
  const slot = device === undefined ? 0 : new DataView(device.buffer).getUint32(0, true);
  if (slot === 0) return drop();
  const source = yield* readHalf(store, slot - 1, parity);
  if (source.generation === 0) return drop();
  const witness: (readonly [string, number])[] = [[`generation ${slot - 1}`, source.generation], [`revision ${slot - 1}`, source.revision]];
  const key = ipToKey16(probe.destination);
  const bucket = bucketCounter(store, key);
  yield;
  const element = store.addresses.find(key);
  yield;
  let found = element === undefined ? undefined : store.addresses.peek(element);
  found ??= store.prefixes.lookup(encodeBytes(prefixKey, { prefixlen: 128, address: key }));
  yield;
  const ref = found === undefined ? undefined : decodeBytes(addressRef, found).ref;
  if (ref !== undefined && ref >= ADDRESS_LOCAL) {
    const peer = yield* readHalf(store, ref - ADDRESS_LOCAL, parity);
    if (peer.generation === 0) return drop();
    witness.push([`generation ${ref - ADDRESS_LOCAL}`, peer.generation], [`revision ${ref - ADDRESS_LOCAL}`, peer.revision]);
    const egress = yield* judge(store, source, { direction: 1, identity: peer.identity, start: probe.start });
    const ingress = yield* judge(store, peer, { direction: 0, identity: source.identity, start: probe.start });
    return { probe, allowed: egress && ingress, witness };
  }
  witness.push([`bucket ${probe.destination.text}`, bucket]);
  const identity = ref === undefined ? WORLD.ipv4 : low(store.remotes.load(ref * 2 + parity));
  yield;
  return { probe, allowed: yield* judge(store, source, { direction: 1, identity, start: probe.start }), witness };
}

/** A packet treated without anything in between. */
export function observe(store: MemoryStore, probe: Probe): Observation {
  const reader = readPacket(store, probe);
  for (;;) {
    const step = reader.next();
    if (step.done === true) return step.value;
  }
}
