import { viewOf } from '@cilium-ts/bpf-maps';
import { policyKey, policyValue } from '@cilium-ts/datapath-layout';
import type { StoredRow } from './row-store.ts';
import { peerDirection, peerIdentity, type PeerKey } from './version.ts';

/** Keys of cilium_policy, one after the other, for a batch. */
export function encodeKeys(version: number, keys: Iterable<PeerKey>, count: number): Uint8Array {
  const bytes = new Uint8Array(count * policyKey.size);
  const view = viewOf(bytes);
  let index = 0;
  for (const key of keys) policyKey.encode({ version, direction: peerDirection(key), identity: peerIdentity(key) }, view, index++ * policyKey.size);
  return bytes;
}

/** Values of cilium_policy, one after the other, for a batch. */
export function encodeValues(rows: Iterable<StoredRow>, count: number): Uint8Array {
  const bytes = new Uint8Array(count * policyValue.size);
  const view = viewOf(bytes);
  let index = 0;
  for (const row of rows) policyValue.encode({ row: row.reference }, view, index++ * policyValue.size);
  return bytes;
}
