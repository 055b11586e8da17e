import { mkdirSync, statfsSync, unlinkSync } from 'node:fs';
import { checkString } from './arguments.ts';
import { LibbpfError } from './error.ts';
import { check } from './handle.ts';
import { native } from './native.ts';

const BPF_FS_MAGIC = 0xcafe4a11; // linux/magic.h

/** Is a path on a BPF file system? False also when it does not exist. */
export const isBpffs = (path: string): boolean => {
  checkString(path, 'path');
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
};

/**
 * Makes sure that a folder exists and is on a BPF file system; mounts one there (mode 0700) if not. Idempotent.
 * @returns true when it mounted one
 * @throws LibbpfError `EPERM` without CAP_SYS_ADMIN
 */
export const ensureBpffs = (path: string): boolean => {
  checkString(path, 'path');
  if (isBpffs(path)) return false;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (isBpffs(path)) return false;
  check(native().mountBpffs(path), `mounting a BPF file system at ${path}`, { syscall: 'mount', path });
  return true;
};

/** Removes a pin; false when nothing was there. What was pinned lives on while anything else holds it. */
export const removePin = (path: string): boolean => {
  checkString(path, 'path');
  try {
    unlinkSync(path);
    return true;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return false;
    throw new LibbpfError((code ?? 'EIO') as 'EIO', `removing the pin ${path}: ${String(code)}`, { path, syscall: 'unlink', cause });
  }
};
