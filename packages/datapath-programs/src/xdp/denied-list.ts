import { addressBits, cidrOf, hostCidr, ipFromBytes, type Cidr } from '@cilium-ts/core';
import { PREFILTER_LIST } from '@cilium-ts/datapath-layout';

/** The four lists that the programs look into. */
export const DENIED_LISTS = ['addresses4', 'prefixes4', 'addresses6', 'prefixes6'] as const;

/** Single addresses or prefixes, of one family. */
export type DeniedList = (typeof DENIED_LISTS)[number];

const BITS = { addresses4: PREFILTER_LIST.ADDRESSES4, prefixes4: PREFILTER_LIST.PREFIXES4, addresses6: PREFILTER_LIST.ADDRESSES6, prefixes6: PREFILTER_LIST.PREFIXES6 } as const;

/** The bit of a list in `cilium_prefilter.lists`. */
export function listBit(list: DeniedList): bigint {
  return BigInt(BITS[list]);
}

/** The list that an entry belongs into. */
export function listOf(cidr: Cidr): DeniedList {
  const single = cidr.prefixLength === addressBits(cidr.family);
  if (cidr.family === 4) return single ? 'addresses4' : 'prefixes4';
  return single ? 'addresses6' : 'prefixes6';
}

/** The entry's key in the map of its list. */
export function deniedKey(cidr: Cidr): Uint8Array {
  if (cidr.prefixLength === addressBits(cidr.family)) return cidr.address.bytes;
  const key = new Uint8Array(4 + cidr.address.bytes.length);
  new DataView(key.buffer).setUint32(0, cidr.prefixLength, true);
  key.set(cidr.address.bytes, 4);
  return key;
}

/** The entry that a key stands for. */
export function deniedCidr(list: DeniedList, key: Uint8Array): Cidr {
  if (list === 'addresses4' || list === 'addresses6') return hostCidr(ipFromBytes(key.slice()));
  return cidrOf(ipFromBytes(key.slice(4)), new DataView(key.buffer, key.byteOffset).getUint32(0, true));
}
