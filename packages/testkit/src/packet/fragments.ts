import { concatBytes, viewOf } from './bytes.ts';
import { internetChecksum } from './checksum.ts';

/**
 * Splits an Ethernet frame that carries IPv4 into fragments of at most `size` bytes of IP payload each
 * (rounded down to a multiple of 8), as a router would.
 */
export function fragmentIpv4(frame: Uint8Array, size: number, id: number): Uint8Array[] {
  const view = viewOf(frame);
  if (view.getUint16(12) !== 0x0800) throw new TypeError('frame: not IPv4 over Ethernet');
  const headerLength = (view.getUint8(14) & 15) * 4;
  const start = 14 + headerLength;
  const chunk = Math.floor(size / 8) * 8;
  const fragments: Uint8Array[] = [];
  for (let offset = 0; start + offset < frame.length; offset += chunk) {
    const part = frame.slice(start + offset, start + offset + chunk);
    const header = frame.slice(14, start);
    const fields = viewOf(header);
    fields.setUint16(2, headerLength + part.length);
    fields.setUint16(4, id);
    fields.setUint16(6, (start + offset + chunk < frame.length ? 0x2000 : 0) | (offset / 8));
    fields.setUint16(10, 0);
    fields.setUint16(10, internetChecksum(header));
    fragments.push(concatBytes(frame.slice(0, 14), header, part));
  }
  return fragments;
}

/** Splits an Ethernet frame that carries IPv6 without extension headers into fragments, as the sender would. */
export function fragmentIpv6(frame: Uint8Array, size: number, id: number): Uint8Array[] {
  const view = viewOf(frame);
  if (view.getUint16(12) !== 0x86dd) throw new TypeError('frame: not IPv6 over Ethernet');
  const chunk = Math.floor(size / 8) * 8;
  const fragments: Uint8Array[] = [];
  for (let offset = 0; 54 + offset < frame.length; offset += chunk) {
    const part = frame.slice(54 + offset, 54 + offset + chunk);
    const header = frame.slice(14, 54);
    const extension = new Uint8Array(8);
    const fields = viewOf(extension);
    fields.setUint8(0, header[6] ?? 59);
    fields.setUint16(2, offset | (54 + offset + chunk < frame.length ? 1 : 0));
    fields.setUint32(4, id);
    header[6] = 44;
    viewOf(header).setUint16(4, 8 + part.length);
    fragments.push(concatBytes(frame.slice(0, 14), header, extension, part));
  }
  return fragments;
}

/** The first `length` bytes of a packet: what a short or cut frame looks like. */
export function truncate(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.slice(0, length);
}
