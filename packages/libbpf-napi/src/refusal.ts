import { errorCode, failure, LibbpfError, type LibbpfErrorCode } from './error.ts';
import { native } from './native.ts';

export interface RefusalDetails {
  readonly syscall: string;
  readonly path?: string | undefined;
  /** By code: what it means here. */
  readonly meanings: Partial<Record<LibbpfErrorCode, string>>;
}

/** failure() where the caller knows better than the general explanation what an error number means here. */
export const refusal = (status: number, action: string, { syscall, path, meanings }: RefusalDetails): LibbpfError => {
  const log = native().takeLog();
  const code = errorCode(-status);
  const meaning = meanings[code];
  if (meaning === undefined) return failure(status, action, { syscall, path, log });
  return new LibbpfError(code, `${action}: ${meaning} (${code})`, { errno: -status, syscall, path, log });
};
