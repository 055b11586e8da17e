import { decodeBytes, viewOf } from '@cilium-ts/bpf-maps';
import { cidrOf, hostCidr, ipFromKey16, type Cidr } from '@cilium-ts/core';
import { ADDRESS_LOCAL, addressRef, CELL_FLAG, endpointInfo, policyKey, policyValue, prefixKey, type CellHalf, type EndpointInfo } from '@cilium-ts/datapath-layout';
import type { DatapathStore } from '../ports.ts';
import type { AddressEntry, AddressTarget } from '../write/address-book.ts';
import { loadEpoch } from '../write/buckets.ts';
import { parityOf, readHalf, slotCount, type Parity } from '../write/cells.ts';
import { u32Bytes } from '../write/encode.ts';
import { peerKey, type Direction, type PeerKey } from '../write/version.ts';
import type { Slot } from './desired.ts';

/** A slot that is active in the half in force. */
export interface FoundSlot {
  readonly slot: Slot;
  readonly half: CellHalf;
  readonly info: EndpointInfo;
}

/** What lies in the kernel, as it is, without judgement. */
export interface FoundState {
  readonly epoch: bigint;
  readonly slots: readonly FoundSlot[];
  /** The highest generation that any half of a slot's cell remembers, where that is not 0. */
  readonly generations: ReadonlyMap<Slot, number>;
  /** Entries of cilium_policy: version → peer → row reference. */
  readonly versions: ReadonlyMap<number, ReadonlyMap<PeerKey, number>>;
  readonly addresses: readonly AddressEntry[];
}

/** Reads everything that the writer must know from the maps. */
export function readState(store: DatapathStore): FoundState {
  const epoch = loadEpoch(store.node);
  const parity = parityOf(epoch);
  const slots: FoundSlot[] = [];
  const generations = new Map<Slot, number>();
  for (let index = 0; index < slotCount(store.cells); index++) {
    const slot = index as Slot;
    const halves = [readHalf(store.cells, slot, 0), readHalf(store.cells, slot, 1)] as const;
    const generation = Math.max(...halves.flatMap((half) => [half.generation, half.reserved]));
    if (generation > 0) generations.set(slot, generation);
    const half = halves[parity];
    const info = half.generation === 0 ? undefined : store.endpoints.lookup(u32Bytes(slot));
    if (info !== undefined) slots.push({ slot, half, info: decodeBytes(endpointInfo, info) });
  }
  return { epoch, slots, generations, versions: readVersions(store), addresses: [...readAddresses(store, parity)] };
}

/** Whether a slot drops everything. */
export function isLockedDown(half: CellHalf): boolean {
  return (half.flags & CELL_FLAG.LOCKED_DOWN) !== 0;
}

function readVersions(store: DatapathStore): Map<number, Map<PeerKey, number>> {
  const versions = new Map<number, Map<PeerKey, number>>();
  for (const [key, value] of store.policy.entries()) {
    const { version, direction, identity } = policyKey.decode(viewOf(key), 0);
    const entries = versions.get(version) ?? new Map<PeerKey, number>();
    entries.set(peerKey(direction as Direction, identity), policyValue.decode(viewOf(value), 0).row);
    versions.set(version, entries);
  }
  return versions;
}

function* readAddresses(store: DatapathStore, parity: Parity): Iterable<AddressEntry> {
  for (const [key, value] of store.addresses.entries()) yield { cidr: hostCidr(ipFromKey16(key)), target: targetOf(store, value, parity) };
  for (const [key, value] of store.prefixes.entries()) yield { cidr: prefixOf(key), target: targetOf(store, value, parity) };
}

function prefixOf(key: Uint8Array): Cidr {
  const { prefixlen, address } = prefixKey.decode(viewOf(key), 0);
  const mapped = prefixlen >= 96 && address.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255));
  const ip = ipFromKey16(address);
  return cidrOf(ip, mapped ? prefixlen - 96 : prefixlen);
}

function targetOf(store: DatapathStore, value: Uint8Array, parity: Parity): AddressTarget {
  const { ref } = addressRef.decode(viewOf(value), 0);
  if (ref >= ADDRESS_LOCAL) return { kind: 'slot', slot: (ref - ADDRESS_LOCAL) as Slot };
  const word = store.remotes.load(ref * 2 + parity);
  return { kind: 'remote', index: ref, identity: Number(word & 0xffff_ffffn), host: ((word >> 32n) & 1n) === 1n };
}
