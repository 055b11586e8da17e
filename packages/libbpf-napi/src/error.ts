import { constants } from 'node:os';
import { summarizeLog } from './log-summary.ts';

/** The name of a kernel error, such as `ENOENT`. */
export type ErrnoName = keyof typeof constants.errno | 'ENOTSUPP' | `E${number}`;

/** What libbpf itself reports (its error numbers 4000 and up). */
export type LibbpfCode =
  | 'LIBBPF_LIBELF' | 'LIBBPF_FORMAT' | 'LIBBPF_KVERSION' | 'LIBBPF_ENDIAN' | 'LIBBPF_INTERNAL' | 'LIBBPF_RELOC' | 'LIBBPF_LOAD'
  | 'LIBBPF_VERIFY' | 'LIBBPF_PROG2BIG' | 'LIBBPF_KVER' | 'LIBBPF_PROGTYPE' | 'LIBBPF_WRNGPID' | 'LIBBPF_INVSEQ' | 'LIBBPF_NLPARSE';

/**
 * Why a call failed: a kernel error by name, one of libbpf's own, or
 * - `ADDON_LOAD`: the native part cannot be loaded,
 * - `HANDLE_CLOSED`: the handle was used after close(),
 * - `NOT_SUPPORTED`: the kernel lacks the feature; the message names the version or option that provides it,
 * - `NOT_FOUND`: the object has no map, program or variable of that name,
 * - `ITERATION_ABORTED`: a map changed so fast that walking it would not end,
 * - `BTF_INVALID`: type information that cannot be read,
 * - `NOT_CGROUP2`: the folder is not in a cgroup2 file system.
 */
export type LibbpfErrorCode = ErrnoName | LibbpfCode | 'ADDON_LOAD' | 'HANDLE_CLOSED' | 'NOT_SUPPORTED' | 'NOT_FOUND' | 'ITERATION_ABORTED' | 'BTF_INVALID' | 'NOT_CGROUP2';

export interface LibbpfErrorDetails {
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly path?: string | undefined;
  readonly log?: string | undefined;
  readonly completed?: number | undefined;
  readonly cause?: unknown;
}

/** The one error class of this package. The message starts with the action that failed. */
export class LibbpfError extends Error {
  override readonly name = 'LibbpfError';
  readonly code: LibbpfErrorCode;
  /** The kernel's (positive) error number, where it was the kernel that refused. */
  readonly errno: number | undefined;
  /** The system call that failed, where known. */
  readonly syscall: string | undefined;
  readonly path: string | undefined;
  /** Everything libbpf and the verifier said, whole. One line of it is in the message. */
  readonly log: string | undefined;
  /** Of a batch that failed half-way: how many entries were done. */
  readonly completed: number | undefined;

  constructor(code: LibbpfErrorCode, message: string, details: LibbpfErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.errno = details.errno;
    this.syscall = details.syscall;
    this.path = details.path;
    this.log = details.log;
    this.completed = details.completed;
  }
}

// libbpf.h, enum libbpf_errno, from LIBBPF_ERRNO__START = 4000.
const LIBBPF_CODES: readonly LibbpfCode[] = [
  'LIBBPF_LIBELF', 'LIBBPF_FORMAT', 'LIBBPF_KVERSION', 'LIBBPF_ENDIAN', 'LIBBPF_INTERNAL', 'LIBBPF_RELOC', 'LIBBPF_LOAD',
  'LIBBPF_VERIFY', 'LIBBPF_PROG2BIG', 'LIBBPF_KVER', 'LIBBPF_PROGTYPE', 'LIBBPF_WRNGPID', 'LIBBPF_INVSEQ', 'LIBBPF_NLPARSE',
];
const LIBBPF_TEXTS: Partial<Record<string, string>> = {
  LIBBPF_LIBELF: 'not a readable ELF file', LIBBPF_FORMAT: 'not a BPF object of a known format', LIBBPF_ENDIAN: 'compiled for the other byte order',
  LIBBPF_RELOC: 'a relocation cannot be resolved', LIBBPF_VERIFY: 'refused by the verifier', LIBBPF_PROG2BIG: 'the program is too big',
};

// Where several names share a number, the common one.
const PREFERRED = new Set(['EAGAIN', 'EOPNOTSUPP']);
const names = (): Map<number, ErrnoName> => {
  const table = new Map<number, ErrnoName>([[524, 'ENOTSUPP']]); // 524: linux/errno.h, kernel-internal but seen from bpf(2)
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!table.has(number) || PREFERRED.has(name)) table.set(number, name as ErrnoName);
  }
  return table;
};
let errnoTable: Map<number, ErrnoName> | undefined;

/** The name of a (positive) error number of the kernel or of libbpf. */
export const errorCode = (errno: number): LibbpfErrorCode =>
  LIBBPF_CODES[errno - 4000] ?? (errnoTable ??= names()).get(errno) ?? `E${errno}`;

const EXPLANATIONS: Partial<Record<string, string>> = {
  EPERM: 'not permitted: needs root, or CAP_BPF + CAP_NET_ADMIN (+ CAP_PERFMON for tracing)',
  EACCES: 'refused', ENOENT: 'does not exist', EEXIST: 'exists already', E2BIG: 'the map is full, or the program too big',
  ENOSPC: 'no space left', ENOMEM: 'out of memory', EBUSY: 'busy', EINVAL: 'invalid argument', ENODEV: 'no such device',
  EOPNOTSUPP: 'not supported', ENOTSUPP: 'not supported by this map or program type', EBADF: 'bad file descriptor', ESRCH: 'no such process or object',
};

/** Builds the error for a failed native call: `<action>: <explanation> (<CODE>): <the line of the log that matters>`. */
export const failure = (status: number, action: string, details: Omit<LibbpfErrorDetails, 'errno'> = {}): LibbpfError => {
  const errno = -status;
  const code = errorCode(errno);
  const text = EXPLANATIONS[code] ?? LIBBPF_TEXTS[code];
  const said = summarizeLog(details.log);
  const parts = [action, text === undefined ? code : `${text} (${code})`, ...(said === undefined ? [] : [said])];
  return new LibbpfError(code, parts.join(': '), { ...details, errno });
};
