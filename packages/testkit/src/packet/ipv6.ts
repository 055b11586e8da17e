import { concatBytes, ipBytes, viewOf } from './bytes.ts';
import type { Layer } from './layer.ts';

/** Fields of an IPv6 header; what is left out is filled in as a correct sender would. */
export interface Ipv6Fields {
  readonly source: string;
  readonly destination: string;
  /** Follows the next layer unless given. */
  readonly nextHeader?: number;
  /** Default 64. */
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  /** Overrides that make malformed headers. */
  readonly version?: number;
  readonly payloadLength?: number;
}

/** An IPv6 header (RFC 8200). */
export function ipv6(fields: Ipv6Fields): Layer {
  const source = ipBytes(fields.source, 6);
  const destination = ipBytes(fields.destination, 6);
  return {
    etherType: 0x86dd,
    protocol: 41,
    pseudo: { source, destination },
    build: (inner, { next }) => {
      const header = new Uint8Array(40);
      const view = viewOf(header);
      view.setUint32(0, (((fields.version ?? 6) << 28) | ((fields.trafficClass ?? 0) << 20) | (fields.flowLabel ?? 0)) >>> 0);
      view.setUint16(4, fields.payloadLength ?? inner.length);
      view.setUint8(6, fields.nextHeader ?? next?.protocol ?? 59);
      view.setUint8(7, fields.hopLimit ?? 64);
      header.set(source, 8);
      header.set(destination, 24);
      return concatBytes(header, inner);
    },
  };
}

/** Next-header numbers of the extension headers that `extension` builds. */
const EXTENSIONS = { hopByHop: 0, routing: 43, authentication: 51, destinationOptions: 60, mobility: 135 } as const;

/**
 * An IPv6 extension header whose body is given after its first two bytes; the length is rounded up as the
 * header's kind demands (8 bytes, 4 for authentication). An empty body is filled with PadN options.
 */
export function extension(kind: keyof typeof EXTENSIONS, fields: { readonly body?: Uint8Array; readonly nextHeader?: number; readonly length?: number } = {}): Layer {
  return {
    protocol: EXTENSIONS[kind],
    build: (inner, { next }) => {
      const body = fields.body ?? defaultBody(kind);
      const unit = kind === 'authentication' ? 4 : 8;
      const size = Math.max(8, Math.ceil((2 + body.length) / unit) * unit);
      const header = new Uint8Array(size);
      header[0] = fields.nextHeader ?? next?.protocol ?? 59;
      header[1] = fields.length ?? (kind === 'authentication' ? size / 4 - 2 : size / 8 - 1);
      header.set(body, 2);
      return concatBytes(header, inner);
    },
  };
}

function defaultBody(kind: keyof typeof EXTENSIONS): Uint8Array {
  if (kind === 'authentication') return new Uint8Array(10);
  // PadN of four bytes of data fills the rest of the first eight bytes (RFC 8200 §4.2).
  if (kind === 'hopByHop' || kind === 'destinationOptions') return Uint8Array.of(1, 4, 0, 0, 0, 0);
  return new Uint8Array(6);
}

/** The IPv6 fragment header (RFC 8200 §4.5). */
export function fragment(fields: { readonly id: number; readonly offset?: number; readonly moreFragments?: boolean; readonly nextHeader?: number }): Layer {
  const offset = fields.offset ?? 0;
  if (offset % 8 !== 0) throw new RangeError('offset: not a multiple of 8 bytes');
  return {
    protocol: 44,
    build: (inner, { next }) => {
      const header = new Uint8Array(8);
      const view = viewOf(header);
      view.setUint8(0, fields.nextHeader ?? next?.protocol ?? 59);
      view.setUint16(2, offset | (fields.moreFragments ? 1 : 0));
      view.setUint32(4, fields.id);
      return concatBytes(header, inner);
    },
  };
}
