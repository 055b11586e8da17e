import { ipToKey16, type IpAddress } from '@cilium-ts/core';

/** Writes an address in its 16-byte form into bytes that are 0. */
export function putKey16(bytes: Uint8Array, at: number, address: IpAddress): void {
  if (address.family === 6) {
    bytes.set(ipToKey16(address), at);
    return;
  }
  bytes[at + 10] = 0xff;
  bytes[at + 11] = 0xff;
  bytes.set(address.bytes, at + 12);
}
