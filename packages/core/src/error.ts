/** What every error of the project may carry besides its code and message. */
export interface CiliumErrorOptions {
  /** The lower-level failure that this one reports. */
  readonly cause?: unknown;
}

/**
 * Base of the packages' error classes. Each package derives exactly one class whose `Code` is a union of string
 * literals, so that callers branch on `error.code` and never on message text. The message starts with the action
 * that failed.
 */
export abstract class CiliumError<Code extends string = string> extends Error {
  /** Stable name of the failure, for programs. */
  readonly code: Code;

  constructor(code: Code, message: string, options: CiliumErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
  }
}

/** The `code` of anything thrown (`CiliumError`, Node's system errors, libbpf-napi's errors), if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything thrown, in one line, with the messages of its causes appended. */
export function errorMessage(error: unknown): string {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  for (let current = error; current !== undefined && !seen.has(current); ) {
    seen.add(current);
    parts.push(current instanceof Error ? current.message : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ').replaceAll(/\s*\n\s*/g, ' ');
}
