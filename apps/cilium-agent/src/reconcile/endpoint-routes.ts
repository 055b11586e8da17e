import type { Cidr, Logger } from '@cilium-ts/core';
import { ifIndex, NetlinkError, ROUTE_TABLE } from '@cilium-ts/netlink';
import type { Netlink, Route, RouteSpec } from '@cilium-ts/netlink';
import { createTable } from '@cilium-ts/reconciler';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { hostRoutes } from '../endpoint/wiring.ts';
import type { EndpointAddresses } from '../endpoint/wiring.ts';
import { AgentError } from '../error.ts';
import { unreachableRoute } from '../node/node-devices.ts';
import { followWatch } from './keeper.ts';
import type { Kept, Kind } from './keeper.ts';

/** A route of the node: to an endpoint, or the unreachable one of a range. */
export interface KeptRoute extends Kept {
  readonly spec: RouteSpec;
}

type Routers = Pick<EndpointAddresses, 'router4' | 'router6'>;

const kept = (spec: RouteSpec): KeptRoute => ({ key: routeKey(spec.destination, spec), what: `route ${spec.destination.text}`, spec });

const routeKey = ({ text }: Cidr, { type, link, metric }: Pick<RouteSpec, 'type' | 'link' | 'metric'>): string => (type === 'unreachable' ? `${text} unreachable ${metric}` : `${text} ${link}`);

/** Key of a route as the kernel tells it. An IPv6 unreachable route names the loopback device. */
const foundKey = ({ destination, type, metric, nextHops }: Route): string | undefined =>
  type === 'unreachable' || (type === 'unicast' && nextHops.length === 1) ? routeKey(destination, { type, metric, link: nextHops[0]?.link }) : undefined;

/** The routes of an endpoint whose device can have some: that is up, and not being made or deleted. */
export const endpointRoutes = ({ record, device, ipv4, ipv6 }: Endpoint, routers: Routers): KeptRoute[] =>
  record.phase === 'ready' && device === 'up' ? hostRoutes(ifIndex(record.device.index), { ipv4, ipv6, ...routers }).map(kept) : [];

/** Routes of the main table: those of the ranges from the start, those of endpoints as the table is told. */
export const createRouteKind = ({ netlink, ranges, logger }: { readonly netlink: Netlink; readonly ranges: readonly Cidr[]; readonly logger: Logger }): Kind<KeptRoute> => {
  const desired = createTable<KeptRoute>({ name: 'endpoint-routes', key: ({ key }) => key });
  for (const range of ranges) desired.upsert(kept(unreachableRoute(range)));

  const find = async (link: RouteSpec['link']): Promise<string[]> => {
    const found = await netlink.listRoutes({ table: ROUTE_TABLE.main, ...(link !== undefined && { link }) });
    return found.map(foundKey).filter((key) => key !== undefined && desired.has(key)) as string[];
  };
  return {
    name: 'endpoint-routes',
    desired,
    present: () => find(undefined),
    async repair({ key, spec }) {
      if (!desired.has(key)) return false;
      try {
        // Never in the place of another: a route to the same destination that the agent did not make is not its to remove.
        await netlink.addRoute(spec);
        return true;
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== 'exists') throw error;
        if ((await find(spec.type === 'unreachable' ? undefined : spec.link)).includes(key)) return false;
        throw new AgentError('failed', `restore route ${spec.destination.text}: there is another route to it, not made by this agent. Remove it (ip route show ${spec.destination.text}).`, { cause: error });
      }
    },
    watch: (touch, all) =>
      followWatch(netlink.watchRoutes(), logger, (event) => {
        if (event.kind === 'overrun') all();
        else if (event.kind === 'delete' && event.record.table === ROUTE_TABLE.main) touch(foundKey(event.record) ?? '');
      }),
  };
};
