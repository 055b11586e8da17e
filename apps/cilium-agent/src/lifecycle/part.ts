import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';

/** One part of the agent: what it needs is given to it when made, so only the order of start and stop is left to say. */
export interface Part {
  readonly name: string;
  start(): Promise<void> | void;
  stop(): Promise<void> | void;
}

/** Parts that run: stopping goes in reverse and goes on after a failure. */
export interface RunningParts {
  stop(): Promise<void>;
}

/** Starts the parts in order; if one fails, those before it are stopped and the failure is thrown. */
export const startParts = async (parts: readonly Part[], logger: Logger): Promise<RunningParts> => {
  const started: Part[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = async (): Promise<void> => {
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      try {
        await part.stop();
      } catch (error) {
        logger.error({ part: part.name, error: errorMessage(error) }, 'part did not stop cleanly');
      }
    }
  };
  for (const part of parts) {
    const from = performance.now();
    try {
      await part.start();
    } catch (error) {
      await stopAll();
      throw error;
    }
    started.push(part);
    logger.debug({ part: part.name, ms: Math.round(performance.now() - from) }, 'started');
  }
  return { stop: () => (stopping ??= stopAll()) };
};
