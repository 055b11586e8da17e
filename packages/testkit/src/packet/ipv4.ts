import { concatBytes, ipBytes, viewOf } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import type { Layer } from './layer.ts';

/** Fields of an IPv4 header; what is left out is filled in as a correct sender would. */
export interface Ipv4Fields {
  readonly source: string;
  readonly destination: string;
  /** Follows the next layer unless given. */
  readonly protocol?: number;
  /** Default 64. */
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  readonly moreFragments?: boolean;
  /** Offset of this fragment in bytes; a multiple of 8. */
  readonly fragmentOffset?: number;
  /** Option bytes, padded with zeros to a multiple of four. */
  readonly options?: Uint8Array;
  /** Overrides that make malformed headers. */
  readonly version?: number;
  readonly headerWords?: number;
  readonly totalLength?: number;
  readonly checksum?: number;
}

/** An IPv4 header (RFC 791) with its options. */
export function ipv4(fields: Ipv4Fields): Layer {
  const source = ipBytes(fields.source, 4);
  const destination = ipBytes(fields.destination, 4);
  return {
    etherType: 0x0800,
    protocol: 4,
    pseudo: { source, destination },
    build: (inner, { next }) => {
      const options = padded(fields.options ?? new Uint8Array(0));
      const header = new Uint8Array(20 + options.length);
      const view = viewOf(header);
      view.setUint8(0, ((fields.version ?? 4) << 4) | (fields.headerWords ?? header.length / 4));
      view.setUint8(1, fields.tos ?? 0);
      view.setUint16(2, fields.totalLength ?? header.length + inner.length);
      view.setUint16(4, fields.id ?? 0);
      view.setUint16(6, fragmentWord(fields));
      view.setUint8(8, fields.ttl ?? 64);
      view.setUint8(9, fields.protocol ?? next?.protocol ?? 255);
      header.set(source, 12);
      header.set(destination, 16);
      header.set(options, 20);
      view.setUint16(10, fields.checksum ?? internetChecksum(header));
      return concatBytes(header, inner);
    },
  };
}

function padded(options: Uint8Array): Uint8Array {
  if (options.length > 40) throw new RangeError('options: an IPv4 header has room for 40 bytes of options');
  return concatBytes(options, new Uint8Array((4 - (options.length % 4)) % 4));
}

function fragmentWord(fields: Ipv4Fields): number {
  const offset = fields.fragmentOffset ?? 0;
  if (offset % 8 !== 0) throw new RangeError('fragmentOffset: not a multiple of 8 bytes');
  return (fields.dontFragment ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0) | (offset / 8);
}
