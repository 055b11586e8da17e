import type { Cidr, Logger } from '@cilium-ts/core';
import type { Datapath } from '@cilium-ts/datapath-programs';
import type { Netlink } from '@cilium-ts/netlink';
import type { Table } from '@cilium-ts/reconciler';
import type { Endpoint } from '../endpoint/endpoint.ts';
import type { EndpointTable } from '../endpoint/endpoint-table.ts';
import type { EndpointAddresses } from '../endpoint/wiring.ts';
import type { MasqueradeOptions } from '../node/masquerade.ts';
import { createFilterKind, endpointFilters } from './endpoint-filters.ts';
import { createRouteKind, endpointRoutes } from './endpoint-routes.ts';
import { createKeeper } from './keeper.ts';
import type { Keeper, KeeperStatus, Kept, Kind } from './keeper.ts';
import { createMasqueradeKind } from './masquerade.ts';

/** Puts back what others remove from the kernel while the agent runs. Never removes anything. */
export interface Repairs {
  start(): void;
  /** Keeps another kind from now on, whether or not this has started. Stops with the answer's close, or with this. */
  keep<R extends Kept>(kind: Kind<R>): Pick<Keeper, 'close'>;
  /** One per kind of objects; empty before the start. */
  statuses(): readonly KeeperStatus[];
  close(): Promise<void>;
}

/** What is kept, and how often all of it is looked at (milliseconds). */
export interface RepairsDeps {
  readonly endpoints: EndpointTable;
  readonly netlink: Netlink;
  readonly datapath: Pick<Datapath, 'attach' | 'programs'>;
  readonly ranges: readonly Cidr[];
  readonly routers: Pick<EndpointAddresses, 'router4' | 'router6'>;
  readonly masquerade: MasqueradeOptions | undefined;
  readonly interval: number;
  readonly logger: Logger;
}

/** Keeps what the endpoints want in a table: told of what was and what is, it changes what differs. */
const follow = <R extends Kept>(table: Table<R>, wanted: (endpoint: Endpoint) => readonly R[]) => (before: Endpoint | undefined, after: Endpoint | undefined): void => {
  const now = after ? wanted(after) : [];
  for (const { key } of before ? wanted(before) : []) if (!now.some((record) => record.key === key)) table.delete(key);
  // The same key says the same: another device of that number has another endpoint, and the former's are gone by then.
  for (const record of now) if (!table.has(record.key)) table.upsert(record);
};

/** What the kept objects depend on is the same: most changes of an endpoint are of its state or policy. */
const alike = (a: Endpoint | undefined, b: Endpoint | undefined): boolean =>
  a !== undefined && b !== undefined && a.device === b.device && a.record.phase === b.record.phase && a.record.device.index === b.record.device.index && a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6;

/** Follows the table of endpoints from now on; begins to repair at `start`. */
export const createRepairs = ({ endpoints, netlink, datapath, ranges, routers, masquerade, interval, logger }: RepairsDeps): Repairs => {
  const routes = createRouteKind({ netlink, ranges, logger });
  const filters = createFilterKind({ netlink, datapath, logger });
  const changes = [follow(routes.desired, (endpoint) => endpointRoutes(endpoint, routers)), follow(filters.desired, endpointFilters)];
  endpoints.listen((before, after) => {
    if (!alike(before, after)) for (const change of changes) change(before, after);
  });
  const options = { interval, logger };
  const own: readonly Keeper[] = [createKeeper(filters, options), createKeeper(routes, options), createKeeper(createMasqueradeKind(masquerade), options)];
  const keepers = [...own];
  return {
    start: () => { for (const keeper of own) keeper.start(); },
    keep(kind) {
      const keeper = createKeeper(kind, options);
      keepers.push(keeper);
      keeper.start();
      return {
        async close() {
          keepers.splice(keepers.indexOf(keeper), 1);
          await keeper.close();
        },
      };
    },
    statuses: () => keepers.map((keeper) => keeper.status()).filter((status) => status !== undefined),
    async close() {
      await Promise.all(keepers.map((keeper) => keeper.close()));
    },
  };
};
