import { failure, LibbpfError, type LibbpfErrorDetails } from './error.ts';
import { native } from './native.ts';
import type { Handle, HandleKind } from './native-binding.ts';

type AnyHandle = Handle<HandleKind>;

/** A native handle and whether it is still open. Closing is idempotent; the garbage collector closes what is forgotten. */
export class HandleBox<H extends AnyHandle> {
  readonly #what: string;
  #handle: H | undefined;

  constructor(handle: H, what: string) {
    this.#handle = handle;
    this.#what = what;
  }

  get closed(): boolean {
    return this.#handle === undefined;
  }

  /** @throws LibbpfError `HANDLE_CLOSED` after close() */
  get(action: string): H {
    if (this.#handle === undefined) throw new LibbpfError('HANDLE_CLOSED', `${action}: ${this.#what} is closed`);
    return this.#handle;
  }

  /** Hands the open handle over: the box is closed, the handle is not. */
  take(action: string): H {
    const handle = this.get(action);
    this.#handle = undefined;
    return handle;
  }

  close(): void {
    if (this.#handle === undefined) return;
    native().close(this.#handle);
    this.#handle = undefined;
  }
}

/** Passes a result on, or throws what a negative errno means. */
export const unwrap = <T>(result: T | number, action: string, details: Omit<LibbpfErrorDetails, 'errno' | 'log'> = {}): T => {
  if (typeof result === 'number' && result < 0) throw failure(result, action, { ...details, log: native().takeLog() });
  return result as T;
};

/** Throws what a negative errno means. */
export const check = (status: number, action: string, details: Omit<LibbpfErrorDetails, 'errno' | 'log'> = {}): number => unwrap<number>(status, action, details);
