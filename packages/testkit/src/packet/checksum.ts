import { concatBytes, viewOf } from './bytes.ts';

/** The Internet checksum (RFC 1071) over `bytes`, ready to be stored big-endian. */
export function internetChecksum(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  let sum = 0;
  for (let offset = 0; offset + 1 < bytes.length; offset += 2) sum += view.getUint16(offset);
  if (bytes.length % 2 === 1) sum += view.getUint8(bytes.length - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** What a transport checksum needs to know of the IP header around it. */
export interface PseudoHeader {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** The checksum of a TCP, UDP or ICMPv6 message including its pseudo header (RFC 9293, RFC 8200 §8.1). */
export function transportChecksum(pseudo: PseudoHeader, protocol: number, message: Uint8Array): number {
  const tail = new Uint8Array(pseudo.source.length === 4 ? 4 : 8);
  const view = viewOf(tail);
  if (pseudo.source.length === 4) {
    view.setUint8(1, protocol);
    view.setUint16(2, message.length);
  } else {
    view.setUint32(0, message.length);
    view.setUint8(7, protocol);
  }
  return internetChecksum(concatBytes(pseudo.source, pseudo.destination, tail, message));
}

/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of SCTP (RFC 9260, appendix A). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
