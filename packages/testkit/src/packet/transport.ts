import { concatBytes, viewOf } from './bytes.ts';
import { crc32c, transportChecksum } from './checksum.ts';
import type { Layer, LayerContext } from './layer.ts';

/** Names of the TCP flags with their bits (RFC 9293 §3.1). */
export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;
/** The name of one TCP flag. */
export type TcpFlag = keyof typeof TCP_FLAGS;

interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Default: the right one; 0 or any other number is stored as given. */
  readonly checksum?: number;
}

/** Fields of a TCP header. */
export interface TcpFields extends Ports {
  /** Default: `syn`. */
  readonly flags?: readonly TcpFlag[];
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly window?: number;
  /** Option bytes, padded with zeros to a multiple of four. */
  readonly options?: Uint8Array;
  readonly headerWords?: number;
}

/** A TCP header (RFC 9293). */
export function tcp(fields: TcpFields): Layer {
  return {
    protocol: 6,
    build: (inner, context) => {
      const options = fields.options ?? new Uint8Array(0);
      const header = new Uint8Array(20 + Math.ceil(options.length / 4) * 4);
      const view = viewOf(header);
      view.setUint16(0, fields.sourcePort);
      view.setUint16(2, fields.destinationPort);
      view.setUint32(4, fields.sequence ?? 1);
      view.setUint32(8, fields.acknowledgement ?? 0);
      view.setUint8(12, (fields.headerWords ?? header.length / 4) << 4);
      view.setUint8(13, (fields.flags ?? ['syn']).reduce((bits, flag) => bits | TCP_FLAGS[flag], 0));
      view.setUint16(14, fields.window ?? 65_535);
      header.set(options, 20);
      return summed(concatBytes(header, inner), { offset: 16, protocol: 6, given: fields.checksum }, context);
    },
  };
}

/** A UDP header (RFC 768); `length` overrides the right one. */
export function udp(fields: Ports & { readonly length?: number }): Layer {
  return {
    protocol: 17,
    build: (inner, context) => {
      const header = new Uint8Array(8);
      const view = viewOf(header);
      view.setUint16(0, fields.sourcePort);
      view.setUint16(2, fields.destinationPort);
      view.setUint16(4, fields.length ?? 8 + inner.length);
      return summed(concatBytes(header, inner), { offset: 6, protocol: 17, given: fields.checksum }, context);
    },
  };
}

/** Chunk types of SCTP by name (RFC 9260 §3.2). */
export const SCTP_CHUNKS = { data: 0, init: 1, initAck: 2, sack: 3, heartbeat: 4, abort: 6, shutdown: 7, cookieEcho: 10, cookieAck: 11 } as const;

/** An SCTP common header with one chunk, the payload being the chunk's value. */
export function sctp(fields: Ports & { readonly tag?: number; readonly chunk?: keyof typeof SCTP_CHUNKS }): Layer {
  return {
    protocol: 132,
    build: (inner) => {
      const header = new Uint8Array(16);
      const view = viewOf(header);
      view.setUint16(0, fields.sourcePort);
      view.setUint16(2, fields.destinationPort);
      view.setUint32(4, fields.tag ?? 0);
      view.setUint8(12, SCTP_CHUNKS[fields.chunk ?? 'init']);
      view.setUint16(14, 4 + inner.length);
      const message = concatBytes(header, inner, new Uint8Array((4 - (inner.length % 4)) % 4));
      // Alone among the checksums here, this one is stored little-endian (RFC 9260 appendix A).
      viewOf(message).setUint32(8, fields.checksum ?? crc32c(message), fields.checksum === undefined);
      return message;
    },
  };
}

/** Stores the given or the right checksum at its offset; UDP's computed zero is sent as 0xffff. */
export function summed(message: Uint8Array, field: { readonly offset: number; readonly protocol: number; readonly given: number | undefined }, { pseudo }: LayerContext): Uint8Array {
  const { offset, protocol, given } = field;
  const computed = pseudo === undefined ? 0 : transportChecksum(pseudo, protocol, message);
  viewOf(message).setUint16(offset, given ?? (protocol === 17 && computed === 0 ? 0xffff : computed));
  return message;
}
