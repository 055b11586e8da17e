import type { Logger } from '@cilium-ts/core';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { Datapath } from '@cilium-ts/datapath-programs';
import { ifIndex, TC_PARENT } from '@cilium-ts/netlink';
import type { Netlink } from '@cilium-ts/netlink';
import { createTable } from '@cilium-ts/reconciler';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { AgentError } from '../error.ts';
import { followWatch } from './keeper.ts';
import type { Kept, Kind } from './keeper.ts';

/** Both filters of an endpoint's device on the node's side. */
export interface KeptFilters extends Kept {
  readonly slot: number;
  readonly index: number;
  readonly device: string;
}

/** The filters of an endpoint that has a device and is not being made or deleted. */
export const endpointFilters = ({ id, slot, record: { phase, device: { name, index } }, device }: Endpoint): KeptFilters[] =>
  phase === 'ready' && device !== 'gone' ? [{ key: String(index), what: `filter of endpoint ${id} (device ${name})`, slot, index, device: name }] : [];

/** Devices looked at together in a full pass. */
const CHUNK = 32;

/** The programs on endpoints' devices. Whose they are is told by the program, so that filters of others are never mistaken for them. */
export const createFilterKind = ({ netlink, datapath, logger }: { readonly netlink: Netlink; readonly datapath: Pick<Datapath, 'attach' | 'programs'>; readonly logger: Logger }): Kind<KeptFilters> => {
  const desired = createTable<KeptFilters>({ name: 'endpoint-filters', key: ({ key }) => key });
  // Asked for by the first endpoint: where there are none, there may be no such programs.
  const programs = () => [[TC_PARENT.ingress, datapath.programs.fromContainer.info.id], [TC_PARENT.egress, datapath.programs.toContainer.info.id]] as const;

  const whole = async ({ index }: KeptFilters): Promise<boolean> => {
    const found = await Promise.all(programs().map(async ([parent, id]) => (await netlink.listFilters({ link: ifIndex(index), parent })).some(({ bpf }) => bpf?.programId === id)));
    return found.every(Boolean);
  };
  return {
    name: 'endpoint-filters',
    desired,
    async present() {
      const records = [...desired.all()];
      const keys: string[] = [];
      for (let from = 0; from < records.length; from += CHUNK) {
        const chunk = records.slice(from, from + CHUNK);
        const found = await Promise.all(chunk.map(whole));
        keys.push(...chunk.flatMap(({ key }, position) => (found[position] ? [key] : [])));
      }
      return keys;
    },
    async repair(record) {
      const { key, slot, index, device } = record;
      if (await whole(record)) return false;
      const link = await netlink.getLink(ifIndex(index));
      // Nothing may come between this look and attaching: the number may be another device's by then.
      if (desired.get(key)?.device !== device) return false;
      if (link?.name !== device) throw new AgentError('failed', `restore filters of ${device}: there is no such device with number ${index}`);
      datapath.attach(asSlot(slot), index);
      return true;
    },
    watch(touch, all) {
      const watches = [netlink.watchFilters(), netlink.watchQdiscs()].map((watch) =>
        followWatch<{ readonly kind: string; readonly record?: { readonly link: number } }>(watch, logger, (event) => {
          if (event.kind === 'overrun') all();
          else if (event.kind === 'delete' && event.record) touch(String(event.record.link));
        }),
      );
      return { close: () => { for (const watch of watches) watch.close(); } };
    },
  };
};
