import { checkInteger, U32_MAX } from './arguments.ts';
import { failure } from './error.ts';
import { native } from './native.ts';
import type { ProgramHandle } from './native-binding.ts';

export interface TestRunOptions {
  /** The packet. Programs of type syscall take none. */
  readonly data?: Uint8Array;
  /** The context struct; for tc programs see skbContext(). */
  readonly ctx?: Uint8Array;
  /** How often to run on the same packet, which is not restored in between. Default 1. */
  readonly repeat?: number;
  /** Room for the packet as the program left it. Default: the size of `data` and 256 bytes. 0: not wanted. */
  readonly dataOutSize?: number;
  /** BPF_F_TEST_… flags of linux/bpf.h. */
  readonly flags?: number;
  /** Run on this CPU: only for raw_tracepoint programs, with the flag BPF_F_TEST_RUN_ON_CPU. */
  readonly cpu?: number;
}

export interface TestRun {
  /** What the program returned: for tc and XDP an action number. Unsigned. */
  readonly retval: number;
  /** The packet as the program left it. */
  readonly dataOut: Uint8Array;
  /** The context as the program left it; empty when none was passed in. */
  readonly ctxOut: Uint8Array;
  /** Average time of one run, as the kernel measured it. */
  readonly durationNs: number;
  /**
   * CPU time that the calling thread spent on all runs together, the kernel's loop around them included: unlike
   * `durationNs` it does not count what else ran on the machine meanwhile.
   */
  readonly cpuNs: number;
}

/** Buffers of Program.testRunRaw(): fill `dataIn` (and `ctxIn`), run, read `dataOut`, `ctxOut` and the numbers. */
export interface TestRunBuffers {
  readonly dataIn: Uint8Array;
  /** How many bytes of `dataIn` are the packet. */
  dataInSize: number;
  readonly dataOut: Uint8Array | undefined;
  readonly ctxIn: Uint8Array | undefined;
  readonly ctxOut: Uint8Array | undefined;
  /** [repeat, flags, cpu] */
  readonly options: Uint32Array;
  /** After a run: [retval, bytes in dataOut, bytes in ctxOut, nanoseconds of one run, CPU time of all (low, high word)] */
  readonly result: Uint32Array;
}

export interface TestRunBufferSizes {
  /** Room for the packet. */
  readonly dataIn: number;
  /** Room for the packet afterwards; 0: not wanted. Default: `dataIn` and 256 bytes. */
  readonly dataOut?: number;
  /** Room for the context, in and out: 192 for tc (see skbContext). Default 0: none. */
  readonly ctx?: number;
  readonly repeat?: number;
  readonly flags?: number;
  readonly cpu?: number;
}

/** Allocates the buffers of Program.testRunRaw(). */
export const createTestRunBuffers = (sizes: TestRunBufferSizes): TestRunBuffers => {
  const dataIn = new Uint8Array(checkInteger(sizes.dataIn, 'sizes.dataIn', 0, 1 << 30));
  const out = checkInteger(sizes.dataOut ?? sizes.dataIn + 256, 'sizes.dataOut', 0, 1 << 30);
  const ctx = checkInteger(sizes.ctx ?? 0, 'sizes.ctx', 0, 4096);
  return {
    dataIn, dataInSize: sizes.dataIn,
    dataOut: out === 0 ? undefined : new Uint8Array(out),
    ctxIn: ctx === 0 ? undefined : new Uint8Array(ctx),
    ctxOut: ctx === 0 ? undefined : new Uint8Array(ctx),
    options: Uint32Array.of(checkInteger(sizes.repeat ?? 1, 'sizes.repeat', 1, U32_MAX), checkInteger(sizes.flags ?? 0, 'sizes.flags', 0, U32_MAX), checkInteger(sizes.cpu ?? 0, 'sizes.cpu', 0, U32_MAX)),
    result: new Uint32Array(6),
  };
};

/** TestRun.cpuNs of the last run with these buffers. */
export const testRunCpuNs = ({ result }: TestRunBuffers): number => (result[4] ?? 0) + (result[5] ?? 0) * 2 ** 32;

export const runTestRaw = (program: ProgramHandle, buffers: TestRunBuffers, what: string): number => {
  const { dataIn, dataInSize, dataOut, ctxIn, ctxOut, options, result } = buffers;
  if (!(dataInSize >= 0 && dataInSize <= dataIn.length)) throw new RangeError(`buffers.dataInSize: ${dataInSize} is outside 0..${dataIn.length}`);
  if (options.length < 3 || result.length < 6) throw new RangeError('buffers: options must have 3 elements and result 6; use createTestRunBuffers');
  const status = native().programTestRun(program, dataIn, dataInSize, dataOut, ctxIn, ctxOut, options, result);
  if (status < 0) throw failure(status, `running ${what} on ${dataInSize} bytes`, { syscall: 'bpf(BPF_PROG_TEST_RUN)' });
  return result[0] ?? 0;
};

export const runTest = (program: ProgramHandle, options: TestRunOptions, what: string): TestRun => {
  const data = options.data ?? new Uint8Array(0);
  if (!(data instanceof Uint8Array)) throw new TypeError('options.data: expected a Uint8Array');
  if (options.ctx !== undefined && !(options.ctx instanceof Uint8Array)) throw new TypeError('options.ctx: expected a Uint8Array');
  const outSize = checkInteger(options.dataOutSize ?? (options.data === undefined ? 0 : data.length + 256), 'options.dataOutSize', 0, 1 << 30);
  const dataOut = new Uint8Array(outSize);
  const ctxOut = new Uint8Array(options.ctx?.length ?? 0);
  const buffers: TestRunBuffers = {
    dataIn: data, dataInSize: data.length, dataOut: outSize === 0 ? undefined : dataOut,
    ctxIn: options.ctx, ctxOut: options.ctx === undefined ? undefined : ctxOut,
    options: Uint32Array.of(checkInteger(options.repeat ?? 1, 'options.repeat', 1, U32_MAX), checkInteger(options.flags ?? 0, 'options.flags', 0, U32_MAX), checkInteger(options.cpu ?? 0, 'options.cpu', 0, U32_MAX)),
    result: new Uint32Array(6),
  };
  const retval = runTestRaw(program, buffers, what);
  const [, dataSize = 0, ctxSize = 0, durationNs = 0] = buffers.result;
  const cpuNs = testRunCpuNs(buffers);
  return { retval, dataOut: dataOut.subarray(0, dataSize), ctxOut: ctxOut.subarray(0, ctxSize), durationNs, cpuNs };
};
