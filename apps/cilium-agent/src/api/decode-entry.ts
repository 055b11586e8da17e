import { u32, viewOf } from '@cilium-ts/bpf-maps';
import type { Codec } from '@cilium-ts/bpf-maps';
import { ipFromKey16, toHex } from '@cilium-ts/core';
import { addressKey, addressRef, CELL_FLAG, cell, endpointInfo, flow, flowKey, fragment, fragmentKey, metric, policyKey, policyValue, prefixKey, remote, rowBoundary } from '@cilium-ts/datapath-layout';
import type { MapName } from '@cilium-ts/datapath-layout';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { Datapath } from '@cilium-ts/datapath-programs';

const CODECS: Readonly<Partial<Record<MapName, { readonly key: Codec<unknown>; readonly value: Codec<unknown> }>>> = {
  cilium_policy: { key: policyKey, value: policyValue },
  cilium_fragments: { key: fragmentKey, value: fragment },
  cilium_flows: { key: flowKey, value: flow },
  cilium_endpoints: { key: u32, value: endpointInfo },
  cilium_addresses: { key: addressKey, value: addressRef },
  cilium_prefixes: { key: prefixKey, value: addressRef },
  cilium_remotes: { key: u32, value: remote },
  cilium_devices: { key: u32, value: u32 },
  cilium_devices_sparse: { key: u32, value: u32 },
  cilium_cells: { key: u32, value: cell },
  cilium_rows: { key: u32, value: rowBoundary },
  cilium_metrics: { key: u32, value: metric },
};

/** As JSON can hold it: sixteen bytes are an address, other bytes hexadecimal, 64-bit numbers decimal text. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return value.length === 16 ? ipFromKey16(value).text : toHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
};

/** Key and value of an entry decoded, where the map's layout is known. Of a per-CPU value, the first CPU's. */
export const decodeEntry = (map: MapName, key: Uint8Array, value: Uint8Array): { 'decoded-key'?: unknown; 'decoded-value'?: unknown } => {
  const codecs = CODECS[map];
  if (!codecs || key.length < codecs.key.size || value.length < codecs.value.size) return {};
  return { 'decoded-key': plain(codecs.key.decode(viewOf(key), 0)), 'decoded-value': plain(codecs.value.decode(viewOf(value), 0)) };
};

/** What a slot's packets go by at this moment. */
export interface CellState {
  readonly identity: number;
  readonly generation: number;
  readonly version: number;
  readonly revision: number;
  readonly lockedDown: boolean;
}

/** Reads a slot's cell: the half that the node's epoch says is in force. */
export const readCell = (maps: Datapath['maps'], slot: number): CellState | undefined => {
  const key = new Uint8Array(4);
  const node = maps.cilium_node.lookup(key);
  new DataView(key.buffer).setUint32(0, asSlot(slot), true);
  const value = maps.cilium_cells.lookup(key);
  if (!node || !value) return undefined;
  const half = cell.decode(viewOf(value), 0).half[Number(viewOf(node).getBigUint64(0, true) & 1n)];
  if (!half) return undefined;
  return { identity: half.identity, generation: half.generation, version: half.version, revision: half.revision, lockedDown: (half.flags & CELL_FLAG.LOCKED_DOWN) !== 0 };
};
