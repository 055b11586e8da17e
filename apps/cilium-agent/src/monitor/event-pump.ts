import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { Datapath } from '@cilium-ts/datapath-programs';
import { monitorEvents, monotonicOffset } from './event-view.ts';
import type { Resolver } from './event-view.ts';
import type { MonitorHub } from './monitor-hub.ts';

/** Moves events from the kernel's ring to the hub for as long as it runs. The ring is emptied whether anybody listens or not. */
export const startEventPump = (datapath: Pick<Datapath, 'events'>, hub: MonitorHub, options: { readonly resolver: Resolver; readonly logger: Logger }): { stop(): Promise<void> } => {
  const { resolver, logger } = options;
  const abort = new AbortController();
  const run = async (): Promise<void> => {
    for await (const batch of datapath.events({ signal: abort.signal })) {
      if (batch.lost > 0) hub.lost(batch.lost);
      if (!hub.wanted) {
        hub.skip(batch.events.length);
        continue;
      }
      const offset = monotonicOffset();
      for (const event of batch.events) for (const view of monitorEvents(event, resolver, offset)) hub.publish(view);
    }
  };
  const running = run().catch((error: unknown) => {
    if (!abort.signal.aborted) logger.error({ error: errorMessage(error) }, 'reading events ended');
  });
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
};
