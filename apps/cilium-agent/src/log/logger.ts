import type { LogFields, Logger } from '@cilium-ts/core';
import { pino } from 'pino';

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' };

const quote = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
};

/** One line of pino's JSON as key=value text: time, level and message first. */
export const toText = (json: string): string => {
  const { time, level, msg, ...fields } = JSON.parse(json) as { time: string; level: string | number; msg?: string } & Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${quote(value)}`);
  return `time=${time} level=${LEVELS[Number(level)] ?? level} msg=${quote(msg ?? '')}${rest.join('')}\n`;
};

/** The agent's logger: JSON lines or key=value text, to `write`. */
export const createLogger = (options: { readonly format: 'text' | 'json'; readonly debug: boolean; readonly write: (line: string) => void }): Logger & { setDebug(on: boolean): void } => {
  const { format, debug, write } = options;
  const stream = { write: (line: string) => { write(format === 'text' ? toText(line) : line); } };
  const log = pino({ base: null, level: debug ? 'debug' : 'info', timestamp: pino.stdTimeFunctions.isoTime, formatters: format === 'json' ? { level: (label) => ({ level: label }) } : {} }, stream);
  // A child keeps the level it was made with; the switch has to reach all of them.
  let verbose = debug;
  const wrap = (fields: LogFields): Logger => ({
    debug: (more, message) => { if (verbose) log.debug({ ...fields, ...more }, message); },
    info: (more, message) => { log.info({ ...fields, ...more }, message); },
    warn: (more, message) => { log.warn({ ...fields, ...more }, message); },
    error: (more, message) => { log.error({ ...fields, ...more }, message); },
    child: (more) => wrap({ ...fields, ...more }),
  });
  return {
    ...wrap({}),
    setDebug(on) {
      verbose = on;
      log.level = on ? 'debug' : 'info';
    },
  };
};
