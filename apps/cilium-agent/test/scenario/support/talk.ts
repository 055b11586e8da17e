import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Place } from '@cilium-ts/testbed';
import { expect, onTestFinished } from 'vitest';
import { PATIENCE } from './arena.ts';

/** One end of one TCP connection that speaks only when told to; ends with the test at the latest. */
export interface Talker {
  /** Sends a line. */
  say(line: string): void;
  /** Waits for a line that it printed: `listening`, `got …`, `peer ADDRESS PORT`, `error CODE`, `end`. Returns the first match. */
  expects(pattern: RegExp): Promise<string>;
  lines(): readonly string[];
  close(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('./talk.mjs', import.meta.url));

const start = (place: Place, args: readonly string[]): Talker => {
  const child = spawn('nsenter', [`--net=${place.netns}`, 'setpriv', '--pdeathsig', 'KILL', process.execPath, SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => { child.once('close', () => { resolve(); }); });
  const close = (): Promise<void> => {
    child.stdin.end();
    return ended;
  };
  onTestFinished(close);
  return {
    say: (line) => { child.stdin.write(`${line}\n`); },
    expects: async (pattern) => {
      await expect.poll(() => lines.find((line) => pattern.test(line)), { timeout: PATIENCE, message: `${args.join(' ')} in ${place.name}: ${String(pattern)}` }).toBeDefined();
      return lines.find((line) => pattern.test(line))!;
    },
    lines: () => lines,
    close,
  };
};

/** Waits for connections on a port. */
export const listener = async (place: Place, port: number, address: string): Promise<Talker> => {
  const talker = start(place, ['listen', String(port), address]);
  await talker.expects(/^listening$/);
  return talker;
};

/** Opens a connection; not waited for. */
export const connector = (place: Place, port: number, address: string, localPort?: number): Talker => start(place, ['connect', String(port), address, ...(localPort === undefined ? [] : [String(localPort)])]);
