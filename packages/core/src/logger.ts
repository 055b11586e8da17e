/** Named values of a log line: plain data that can be written as JSON. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where packages report what they do. The shape is that of pino's logger, which satisfies it as it is.
 * No package prints: who wants nothing passes {@link silentLogger}.
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

function nothing(): void {
  /* a silent logger has nothing to do */
}

/** A logger that discards everything. */
export const silentLogger: Logger = Object.freeze({
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
});
