import { addressBits, cidrOf, hostCidr, ipFromBytes, type Cidr } from '@cilium-ts/core';

/** The four lists that the programs look into, in the order of their bits in `cilium_prefilter.lists`. */
export const DENIED_LISTS = ['addresses4', 'prefixes4', 'addresses6', 'prefixes6'] as const;

/** Single addresses or prefixes, of one family. */
export type DeniedList = (typeof DENIED_LISTS)[number];

/** `until` and `listedUntil` of what is not about to end: DENIED_FOREVER of bpf/lib/prefilter.h. */
export const FOREVER = 0xffff_ffff;

/** An entry as in the maps: the revisions between which it denies, and between which it is on the list. */
export interface Denied {
  readonly since: number;
  readonly until: number;
  readonly listedSince: number;
  readonly listedUntil: number;
}

/** Size of struct denied. */
const DENIED_SIZE = 16;

/** The bit of a list in `cilium_prefilter.lists`: enum prefilter_list. */
export function listBit(list: DeniedList): bigint {
  return 1n << BigInt(DENIED_LISTS.indexOf(list));
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

/** An entry as bytes of struct denied. */
export function encodeDenied({ since, until, listedSince, listedUntil }: Denied): Uint8Array {
  return new Uint8Array(Uint32Array.of(since, until, listedSince, listedUntil).buffer);
}

/** The reverse of encodeDenied. */
export function decodeDenied(bytes: Uint8Array): Denied {
  if (bytes.length !== DENIED_SIZE) throw new RangeError(`bytes: struct denied has ${DENIED_SIZE}, got ${bytes.length}`);
  const word = (index: number): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * index, true);
  return { since: word(0), until: word(1), listedSince: word(2), listedUntil: word(3) };
}
