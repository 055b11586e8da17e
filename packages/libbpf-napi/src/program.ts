import { checkInteger, checkString, U32_MAX } from './arguments.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import { native } from './native.ts';
import type { ProgramHandle } from './native-binding.ts';
import { removePin } from './pin.ts';
import { programTypeName, type ProgramType } from './program-type.ts';
import { runTest, runTestRaw, type TestRun, type TestRunBuffers, type TestRunOptions } from './test-run.ts';

/** What the kernel says about a loaded program. */
export interface ProgramInfo {
  readonly id: number;
  /** At most 15 characters: the kernel cuts the rest. */
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  readonly type: ProgramType;
  /** Instructions the verifier went through (Linux 5.16, else 0): what a program costs of the limit of a million. */
  readonly verifiedInstructions: number;
  /** Bytes of machine code; 0 without JIT or without privileges. */
  readonly jitedSize: number;
  /** Bytes of translated BPF instructions. */
  readonly translatedSize: number;
  readonly btfId: number;
  readonly mapIds: readonly number[];
  /** Nanoseconds spent in all runs that were counted: see enableStatistics(). */
  readonly runTimeNs: number;
  /** Runs since the program was loaded, while statistics were enabled. */
  readonly runCount: number;
}

/** A program in the kernel. Owns a file descriptor: close it, or let `using` do so. */
export class Program implements Disposable {
  readonly #box: HandleBox<ProgramHandle>;
  readonly #what: string;

  /** Use openObject, openPinnedProgram or openProgramById. Takes ownership of the handle. */
  constructor(handle: ProgramHandle, what: string) {
    this.#box = new HandleBox(handle, what);
    this.#what = what;
  }

  /** Read anew on each access. */
  get info(): ProgramInfo {
    const raw = unwrap(native().programInfo(this.handle('reading program information')), `reading information on ${this.#what}`, { syscall: 'bpf(BPF_OBJ_GET_INFO_BY_FD)' });
    const [type, id, name, tag, verifiedInstructions, jitedSize, translatedSize, , runTimeNs, runCount, btfId, ...mapIds] = raw;
    return { id, name, tag, type: programTypeName(type), verifiedInstructions, jitedSize, translatedSize, btfId, mapIds, runTimeNs, runCount };
  }

  /** The file descriptor, valid until close(). Do not close it yourself. */
  get fd(): number {
    return native().fd(this.handle('using the descriptor of a program'));
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** For other parts of this package. */
  handle(action: string): ProgramHandle {
    return this.#box.get(action);
  }

  /**
   * Runs the program on made-up input (BPF_PROG_TEST_RUN); nothing is sent. Programs for packets need at least 14 bytes.
   * @throws LibbpfError `ENOSPC` when the output does not fit `dataOutSize`, `ENOTSUPP` when the program type cannot be run so
   */
  testRun(options: TestRunOptions): TestRun {
    return runTest(this.handle('running a program'), options, this.#what);
  }

  /**
   * testRun() for millions of runs: allocates nothing, results are in `buffers` (see createTestRunBuffers).
   * @returns what the program returned
   */
  testRunRaw(buffers: TestRunBuffers): number {
    return runTestRaw(this.handle('running a program'), buffers, this.#what);
  }

  /** Makes the program findable at a path on a bpffs; it then outlives this process. The folder must exist. */
  pin(path: string): void {
    checkString(path, 'path');
    check(native().pin(this.handle('pinning a program'), path), `pinning ${this.#what} at ${path}`, { syscall: 'bpf(BPF_OBJ_PIN)', path });
  }

  /** Removes a pin; false when nothing was there. */
  unpin(path: string): boolean {
    return removePin(path);
  }

  /** Another handle on the same program, with a life of its own. */
  dup(): Program {
    return new Program(unwrap(native().programDup(this.handle('duplicating a program handle')), `duplicating ${this.#what}`), this.#what);
  }

  /** Closes the handle; the program itself goes when nothing uses it any more. Idempotent. */
  close(): void {
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens a program by its path on a bpffs. @throws LibbpfError `ENOENT` when nothing is there, `EINVAL` when it is no program */
export const openPinnedProgram = (path: string): Program =>
  new Program(unwrap(native().programGetPinned(checkString(path, 'path')), `opening the pinned program ${path}`, { syscall: 'bpf(BPF_OBJ_GET)', path }), `program ${path}`);

/** Opens a program by its kernel id. @throws LibbpfError `ENOENT` when there is none */
export const openProgramById = (id: number): Program =>
  new Program(unwrap(native().programById(checkInteger(id, 'id', 1, U32_MAX)), `opening program ${id}`, { syscall: 'bpf(BPF_PROG_GET_FD_BY_ID)' }), `program ${id}`);
