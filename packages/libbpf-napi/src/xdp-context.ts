import { checkInteger, U32_MAX } from './arguments.ts';

/** The fields of `struct xdp_md` that a test run accepts (net/bpf/test_run.c, xdp_convert_md_to_buff). */
export interface XdpContext {
  /** Bytes of `data`, the metadata at its beginning included: anything else is refused (EINVAL) by all or some kernels. */
  readonly size: number;
  /** How many bytes at the beginning of `data` are metadata: a multiple of 4, at most 252 (Linux 5.15). Default 0. */
  readonly metadata?: number;
  /** The device the packet came in by. Must exist in the caller's network namespace. Default: none. */
  readonly ingressIfindex?: number;
  /** The device's receive queue. Default 0. */
  readonly rxQueue?: number;
}

/** What a program left of it. */
export interface XdpContextOut {
  /** Bytes of metadata that stand at the beginning of `dataOut`. */
  readonly metadata: number;
  /** Bytes of metadata and packet together. */
  readonly size: number;
  readonly ingressIfindex: number;
  readonly rxQueue: number;
}

/** Size of `struct xdp_md` in Linux 5.8 to 6.18. */
export const XDP_CONTEXT_SIZE = 24;

// Offsets in struct xdp_md, linux/bpf.h. A test run reads `data` as the length of the metadata, `data_end` as that of all.
const OFFSET = { data: 0, dataEnd: 4, ingressIfindex: 12, rxQueue: 16 } as const;
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Builds the `ctx` of a test run of an XDP program (Linux 5.14).
 * @param into a buffer to overwrite, such as `buffers.ctxIn`
 */
export const xdpContext = (fields: XdpContext, into: Uint8Array = new Uint8Array(XDP_CONTEXT_SIZE)): Uint8Array => {
  if (into.length < XDP_CONTEXT_SIZE) throw new RangeError(`into: expected at least ${XDP_CONTEXT_SIZE} bytes, got ${into.length}`);
  const size = checkInteger(fields.size, 'size', 0, U32_MAX);
  const metadata = checkInteger(fields.metadata ?? 0, 'metadata', 0, 252);
  if (metadata % 4 !== 0) throw new RangeError(`metadata: ${metadata} is not a multiple of 4`);
  if (metadata > size) throw new RangeError(`metadata: ${metadata} bytes do not fit into ${size}`);
  into.fill(0);
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  view.setUint32(OFFSET.data, metadata, littleEndian);
  view.setUint32(OFFSET.dataEnd, size, littleEndian);
  view.setUint32(OFFSET.ingressIfindex, checkInteger(fields.ingressIfindex ?? 0, 'ingressIfindex', 0, 0x7fff_ffff), littleEndian);
  view.setUint32(OFFSET.rxQueue, checkInteger(fields.rxQueue ?? 0, 'rxQueue', 0, U32_MAX), littleEndian);
  return into;
};

/** Reads the `ctxOut` of such a test run. */
export const readXdpContext = (ctx: Uint8Array): XdpContextOut => {
  if (ctx.length < XDP_CONTEXT_SIZE) throw new RangeError(`ctx: expected at least ${XDP_CONTEXT_SIZE} bytes, got ${ctx.length}`);
  const view = new DataView(ctx.buffer, ctx.byteOffset, ctx.length);
  const word = (offset: number): number => view.getUint32(offset, littleEndian);
  return { metadata: word(OFFSET.data), size: word(OFFSET.dataEnd), ingressIfindex: word(OFFSET.ingressIfindex), rxQueue: word(OFFSET.rxQueue) };
};
