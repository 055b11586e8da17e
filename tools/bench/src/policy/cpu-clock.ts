import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Processor time that this process has taken so far, in milliseconds: what else runs on the machine does not count. */
export function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Runs the work and tells how long it kept processors busy, collecting garbage included. */
export function timed<T>(work: () => T): { readonly result: T; readonly milliseconds: number } {
  const began = cpuMilliseconds();
  const result = work();
  return { result, milliseconds: cpuMilliseconds() - began };
}

/**
 * Collects garbage, the young alone before measurements of time: a full collection also throws optimised code away.
 * Waits first, since what a weak reference was made for stays until the work at hand is done.
 */
export async function collectGarbage(type: 'minor' | 'major'): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as (options: { type: string; execution: string }) => void)({ type, execution: 'sync' });
}
