import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { NodeDevice } from '@cilium-ts/datapath-programs';
import type { Netlink } from '@cilium-ts/netlink';
import { OWN_DEVICE, selectUplinks } from '../node/uplinks.ts';
import { followWatch } from '../reconcile/keeper.ts';
import { sourceAddress } from './uplink-addresses.ts';

/** A device towards the outside as it is now. */
export interface Uplink extends Pick<NodeDevice, 'ifindex' | 'ipv4' | 'ipv6'> {
  readonly name: string;
}

/** The node's devices towards the outside, and their changes. */
export interface UplinkWatch {
  list(): Promise<readonly Uplink[]>;
  /** Calls `changed` when they, their addresses or the default routes may be others, once for what comes together. */
  watch(changed: () => Promise<void>): void;
  close(): void;
}

/** What comes within this time is one change (milliseconds). */
const TOGETHER = 50;

/** The uplinks of the settings, or those with a default route. */
export const createUplinkWatch = (netlink: Netlink, options: { readonly named: readonly string[] | undefined; readonly logger: Logger }): UplinkWatch => {
  const { named, logger } = options;
  const watches: { close(): void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  return {
    async list() {
      const [links, routes, addresses] = await Promise.all([netlink.listLinks(), netlink.listRoutes(), netlink.listAddresses()]);
      return selectUplinks(links, { named, routes }).map(({ name, index }) => {
        const [ipv4, ipv6] = [sourceAddress(addresses, index, 4), sourceAddress(addresses, index, 6)];
        return { name, ifindex: index, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
      });
    },
    watch(changed) {
      const run = (): void => {
        timer = undefined;
        changed().catch((error: unknown) => {
          logger.error({ error: errorMessage(error) }, 'devices towards the outside could not be brought up to date; trying again');
          soon(1000);
        });
      };
      const soon = (delay = TOGETHER): void => {
        if (closed || timer) return;
        timer = setTimeout(run, delay);
        timer.unref();
      };
      const own = new Set<number>();
      watches.push(
        followWatch(netlink.watchLinks(), logger, (event) => {
          if (event.kind === 'overrun') soon();
          // Endpoints come and go all the time.
          else if (OWN_DEVICE.test(event.record.name)) own.add(event.record.index);
          else soon();
        }),
        followWatch(netlink.watchRoutes(), logger, (event) => { if (event.kind === 'overrun' || event.record.destination.prefixLength === 0) soon(); }),
        followWatch(netlink.watchAddresses(), logger, (event) => { if (event.kind === 'overrun' || !own.has(event.record.link)) soon(); }),
      );
    },
    close() {
      closed = true;
      clearTimeout(timer);
      for (const watch of watches.splice(0)) watch.close();
    },
  };
};
