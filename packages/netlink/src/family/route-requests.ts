import type { Cidr, IpAddress } from '@cilium-ts/core';

import { PayloadWriter } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { NetlinkRequest } from '../wire/message.ts';
import { familyNumber } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';
import { NEXT_HOP_FLAGS, ROUTE_TABLE, RTMSG_SIZE, Rta, routeProtocols, routeTypes } from './route.ts';
import type { RouteProtocol, RouteType } from './route.ts';
import { scopes } from './scope.ts';
import type { Scope } from './scope.ts';

/** A route to add, replace or delete. */
export interface RouteSpec {
  /** `0.0.0.0/0` or `::/0` for the default route. */
  readonly destination: Cidr;
  readonly link?: IfIndex | undefined;
  readonly gateway?: IpAddress | undefined;
  /** The gateway is reachable on the link although no route says so. */
  readonly onlink?: boolean | undefined;
  /** `unicast` if absent; `blackhole`, `unreachable`, `prohibit` and `throw` take neither link nor gateway. */
  readonly type?: RouteType | undefined;
  /** The main table if absent. */
  readonly table?: number | undefined;
  /** `static` if absent when adding; any when deleting. */
  readonly protocol?: RouteProtocol | number | undefined;
  /** As ip-route(8) chooses it if absent. */
  readonly scope?: Scope | undefined;
  readonly metric?: number | undefined;
  /** Preferred source address. */
  readonly source?: IpAddress | undefined;
  readonly mtu?: number | undefined;
}

/** Which routes to list; filtered by the kernel. */
export interface RouteFilter {
  readonly family?: 4 | 6 | undefined;
  readonly table?: number | undefined;
  readonly link?: IfIndex | undefined;
  readonly protocol?: RouteProtocol | number | undefined;
}

/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 } as const;
/** RTN_UNSPEC and RTPROT_UNSPEC: any, when deleting. */
const ANY = 0;

const header = (fields: { family: number; prefixLength?: number; table?: number; protocol?: number; scope?: number; type?: number; flags?: number }): Buffer => {
  const bytes = Buffer.alloc(RTMSG_SIZE);
  const table = fields.table ?? 0;
  bytes.writeUInt8(fields.family, 0);
  bytes.writeUInt8(fields.prefixLength ?? 0, 1);
  // Tables past a byte are in RTA_TABLE alone.
  bytes.writeUInt8(table > 255 ? 0 : table, 4);
  bytes.writeUInt8(fields.protocol ?? 0, 5);
  bytes.writeUInt8(fields.scope ?? 0, 6);
  bytes.writeUInt8(fields.type ?? 0, 7);
  bytes.writeUInt32LE(fields.flags ?? 0, 8);
  return bytes;
};

const defaultScope = (spec: RouteSpec): Scope => {
  if (spec.type === 'local') return 'host';
  // The kernel takes a route without gateway for one to a neighbour.
  return spec.destination.family === 4 && spec.gateway === undefined && (spec.type ?? 'unicast') === 'unicast' ? 'link' : 'global';
};

const writeGateway = (writer: PayloadWriter, family: 4 | 6, gateway: IpAddress): void => {
  if (gateway.family === family) {
    writer.bytes(Rta.GATEWAY, gateway.bytes);
    return;
  }
  if (family === 6) throw new TypeError('gateway: an IPv6 route cannot go through an IPv4 router');
  const via = Buffer.alloc(2 + gateway.bytes.length);
  via.writeUInt16LE(familyNumber(gateway.family), 0);
  via.set(gateway.bytes, 2);
  writer.bytes(Rta.VIA, via);
};

const payloadOf = (spec: RouteSpec, unspecified: { protocol: number; scope: number; type: number }): Buffer => {
  const { destination, link, gateway, source, mtu } = spec;
  const table = spec.table ?? ROUTE_TABLE.main;
  const writer = new PayloadWriter(
    header({
      family: familyNumber(destination.family),
      prefixLength: destination.prefixLength,
      table,
      protocol: spec.protocol === undefined ? unspecified.protocol : routeProtocols.number(spec.protocol),
      scope: spec.scope === undefined ? unspecified.scope : scopes.number(spec.scope),
      type: spec.type === undefined ? unspecified.type : routeTypes.number(spec.type),
      flags: spec.onlink ? NEXT_HOP_FLAGS.onlink : 0,
    }),
  );
  writer.u32(Rta.TABLE, table);
  if (destination.prefixLength > 0) writer.bytes(Rta.DST, destination.address.bytes);
  if (link !== undefined) writer.u32(Rta.OIF, link);
  if (gateway) writeGateway(writer, destination.family, gateway);
  if (spec.metric !== undefined) writer.u32(Rta.PRIORITY, spec.metric);
  if (source) writer.bytes(Rta.PREFSRC, source.bytes);
  if (mtu !== undefined) writer.nest(Rta.METRICS, (metrics) => metrics.u32(Rta.AX_MTU, mtu));
  return writer.finish();
};

const newRoute = (verb: string, flags: number, spec: RouteSpec): NetlinkRequest => {
  const unspecified = { protocol: routeProtocols.number('static'), scope: scopes.number(defaultScope(spec)), type: routeTypes.number('unicast') };
  return { operation: `${verb} route ${spec.destination.text}`, type: Rtm.NEWROUTE, flags, payload: payloadOf(spec, unspecified) };
};

const deleteRoute = (spec: RouteSpec): NetlinkRequest => ({
  operation: `delete route ${spec.destination.text}`,
  type: Rtm.DELROUTE,
  flags: 0,
  payload: payloadOf(spec, { protocol: ANY, scope: scopes.number('nowhere'), type: ANY }),
});

const listRoutes = (filter: RouteFilter = {}): NetlinkRequest => {
  const protocol = filter.protocol === undefined ? 0 : routeProtocols.number(filter.protocol);
  const writer = new PayloadWriter(header({ family: filter.family === undefined ? 0 : familyNumber(filter.family), protocol }));
  if (filter.table !== undefined) writer.u32(Rta.TABLE, filter.table);
  if (filter.link !== undefined) writer.u32(Rta.OIF, filter.link);
  return { operation: 'list routes', type: Rtm.GETROUTE, flags: Flag.DUMP, payload: writer.finish() };
};

/** Requests on routes, for `Netlink.batch`. */
export const routeRequests = {
  /** Fails with `exists` if the table has a route to the destination with this metric. */
  add: (spec: RouteSpec): NetlinkRequest => newRoute('add', Flag.CREATE | Flag.EXCL, spec),
  /** Adds the route, or puts it in the place of the one with the same destination and metric. */
  replace: (spec: RouteSpec): NetlinkRequest => newRoute('replace', Flag.CREATE | Flag.REPLACE, spec),
  /** Deletes the first route that matches; what the spec leaves out matches anything. */
  delete: deleteRoute,
  list: listRoutes,
} as const;
