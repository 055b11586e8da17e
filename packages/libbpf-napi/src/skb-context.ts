import { checkInteger, U32_MAX } from './arguments.ts';

/**
 * The fields of `struct __sk_buff` that a test run accepts (net/bpf/test_run.c, convert___skb_to_skb); the kernel
 * refuses (EINVAL) any other that is not zero.
 */
export interface SkbContext {
  readonly mark?: number;
  readonly priority?: number;
  /** The device the packet came in by. Must exist in the caller's network namespace. */
  readonly ingressIfindex?: number;
  /** The device the program is attached to. Must exist in the caller's network namespace. */
  readonly ifindex?: number;
  /** Five 32-bit words that programs pass to each other. */
  readonly cb?: readonly number[];
  /** Nanoseconds. */
  readonly tstamp?: bigint;
  readonly wireLength?: number;
  readonly gsoSegments?: number;
  readonly gsoSize?: number;
  readonly hwtstamp?: bigint;
}

/** Size of `struct __sk_buff` in Linux 6.1 to 6.18; newer and older kernels accept it too, the tail being zero. */
export const SKB_CONTEXT_SIZE = 192;

// Offsets in struct __sk_buff, linux/bpf.h.
const OFFSET = { mark: 8, priority: 32, ingressIfindex: 36, ifindex: 40, cb: 48, tstamp: 152, wireLength: 160, gsoSegments: 164, gsoSize: 176, hwtstamp: 184 } as const;
const WORDS = ['mark', 'priority', 'ingressIfindex', 'ifindex', 'wireLength', 'gsoSegments', 'gsoSize'] as const;
const LONGS = ['tstamp', 'hwtstamp'] as const;
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Builds the `ctx` of a test run of a tc or cgroup_skb program.
 * @param into a buffer to overwrite, such as `buffers.ctxIn`
 */
export const skbContext = (fields: SkbContext, into: Uint8Array = new Uint8Array(SKB_CONTEXT_SIZE)): Uint8Array => {
  if (into.length < SKB_CONTEXT_SIZE) throw new RangeError(`into: expected at least ${SKB_CONTEXT_SIZE} bytes, got ${into.length}`);
  into.fill(0);
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  for (const name of WORDS) view.setUint32(OFFSET[name], checkInteger(fields[name] ?? 0, name, 0, U32_MAX), littleEndian);
  for (const name of LONGS) view.setBigUint64(OFFSET[name], fields[name] ?? 0n, littleEndian);
  if ((fields.cb?.length ?? 0) > 5) throw new RangeError('cb: at most 5 words');
  for (const [i, word] of (fields.cb ?? []).entries()) view.setUint32(OFFSET.cb + 4 * i, checkInteger(word, `cb[${i}]`, 0, U32_MAX), littleEndian);
  return into;
};

/** Reads the `ctxOut` of such a test run. */
export const readSkbContext = (ctx: Uint8Array): Required<SkbContext> => {
  if (ctx.length < SKB_CONTEXT_SIZE) throw new RangeError(`ctx: expected at least ${SKB_CONTEXT_SIZE} bytes, got ${ctx.length}`);
  const view = new DataView(ctx.buffer, ctx.byteOffset, ctx.length);
  const word = (name: (typeof WORDS)[number]): number => view.getUint32(OFFSET[name], littleEndian);
  return {
    mark: word('mark'), priority: word('priority'), ingressIfindex: word('ingressIfindex'), ifindex: word('ifindex'),
    wireLength: word('wireLength'), gsoSegments: word('gsoSegments'), gsoSize: word('gsoSize'),
    cb: Array.from({ length: 5 }, (_, i) => view.getUint32(OFFSET.cb + 4 * i, littleEndian)),
    tstamp: view.getBigUint64(OFFSET.tstamp, littleEndian), hwtstamp: view.getBigUint64(OFFSET.hwtstamp, littleEndian),
  };
};
