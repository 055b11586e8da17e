import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { GuardedService, NodePrograms } from '@cilium-ts/datapath-programs';

/** Ends connections of clients that services refuse since their source ranges have changed. */
export interface ServiceGuards {
  /** Services whose source ranges have changed. What comes before open() waits for it. */
  changed(services: readonly GuardedService[]): void;
  /** Begins, with the programs that have the connections. */
  open(programs: Pick<NodePrograms, 'forgetRefused'>): void;
  /** Resolves when nothing is under way. */
  close(): Promise<void>;
}

/** Guards that nobody has told of anything yet. One look at a time; services that change meanwhile share the next. */
export const createServiceGuards = (logger: Logger): ServiceGuards => {
  const waiting = new Map<number, GuardedService>();
  let programs: Pick<NodePrograms, 'forgetRefused'> | undefined;
  let running: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    while (programs && waiting.size > 0) {
      const services = [...waiting.values()];
      waiting.clear();
      try {
        const removed = await programs.forgetRefused(services);
        if (removed > 0) logger.info({ services: services.map(({ id }) => id), entries: removed }, 'connections were ended of clients that source ranges do not accept any more');
      } catch (error) {
        logger.error({ error: errorMessage(error) }, 'connections of clients that source ranges do not accept any more could not be ended');
      }
    }
  };
  const begin = (): void => {
    if (running || !programs || waiting.size === 0) return;
    running = look().then(() => {
      running = undefined;
      begin();
    });
  };
  return {
    changed(services) {
      for (const service of services) waiting.set(service.id, service);
      begin();
    },
    open(opened) {
      programs = opened;
      begin();
    },
    async close() {
      programs = undefined;
      await running;
    },
  };
};
