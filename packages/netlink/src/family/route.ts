import { cidrOf, ipFromBytes } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';

import { readAttributes, readNested, readU32 } from '../wire/attributes.ts';
import type { Attributes } from '../wire/attributes.ts';
import type { Message } from '../wire/message.ts';
import { anyAddress, familyOf, flagNames, indexOrNone, names, readIp } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';
import { scopes } from './scope.ts';
import type { Scope } from './scope.ts';

/** A route. */
export interface Route {
  readonly family: 4 | 6;
  readonly destination: Cidr;
  readonly type: RouteType | number;
  readonly table: number;
  readonly protocol: RouteProtocol | number;
  readonly scope: Scope | number;
  readonly metric: number;
  /** Preferred source address. */
  readonly source: IpAddress | undefined;
  /** One for a plain route, several for a multipath one, none for a blackhole and its like. */
  readonly nextHops: readonly NextHop[];
  readonly mtu: number | undefined;
  /** Seconds left, where the route expires. */
  readonly expires: number | undefined;
}

/** One way a route's packets may leave. */
export interface NextHop {
  readonly link: IfIndex | undefined;
  /** Of another family than the route where an IPv4 route goes through an IPv6 router. */
  readonly gateway: IpAddress | undefined;
  readonly weight: number;
  readonly flags: ReadonlySet<NextHopFlag>;
}

/** RTN_* of linux/rtnetlink.h. */
const ROUTE_TYPES = { unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8, throw: 9 } as const;
export type RouteType = keyof typeof ROUTE_TYPES;

/** RTPROT_* of linux/rtnetlink.h; other numbers are anyone's own. */
const ROUTE_PROTOCOLS = { redirect: 1, kernel: 2, boot: 3, static: 4, 'router-advertisement': 9, dhcp: 16 } as const;
export type RouteProtocol = keyof typeof ROUTE_PROTOCOLS;

/** RTNH_F_* of linux/rtnetlink.h. */
export const NEXT_HOP_FLAGS = { dead: 1, pervasive: 2, onlink: 4, offload: 8, 'link-down': 16, unresolved: 32 } as const;
export type NextHopFlag = keyof typeof NEXT_HOP_FLAGS;

/** Tables that every namespace has (RT_TABLE_* of linux/rtnetlink.h). */
export const ROUTE_TABLE = { default: 253, main: 254, local: 255 } as const;

/** RTA_* of linux/rtnetlink.h, and RTAX_MTU within METRICS. */
export const Rta = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, METRICS: 8, MULTIPATH: 9, CACHEINFO: 12, TABLE: 15, VIA: 18, EXPIRES: 23, AX_MTU: 2 } as const;

/** Size of struct rtmsg. */
export const RTMSG_SIZE = 12;
/** Size of struct rtnexthop. */
const RTNEXTHOP_SIZE = 8;
/** RTM_F_CLONED: a cached copy (an exception), not an entry of a table. */
const CLONED = 0x200;

export const routeTypes = names(ROUTE_TYPES);
export const routeProtocols = names(ROUTE_PROTOCOLS);

/** Reads RTM_NEWROUTE and RTM_DELROUTE; undefined for other families (multicast, MPLS) and cached exceptions. */
export const decodeRoute = (message: Message): Route | undefined => {
  const { payload } = message;
  const family = payload.length < RTMSG_SIZE ? undefined : familyOf(payload.readUInt8(0));
  if (family === undefined || (payload.readUInt32LE(8) & CLONED) !== 0) return undefined;
  const attributes = readAttributes(payload.subarray(RTMSG_SIZE));
  return {
    family,
    destination: cidrOf(readIp(attributes, Rta.DST) ?? anyAddress(family), payload.readUInt8(1)),
    type: routeTypes.name(payload.readUInt8(7)),
    table: readU32(attributes, Rta.TABLE) ?? payload.readUInt8(4),
    protocol: routeProtocols.name(payload.readUInt8(5)),
    scope: scopes.name(payload.readUInt8(6)),
    metric: readU32(attributes, Rta.PRIORITY) ?? 0,
    source: readIp(attributes, Rta.PREFSRC),
    nextHops: decodeNextHops(attributes, payload.readUInt32LE(8)),
    mtu: readU32(readNested(attributes, Rta.METRICS), Rta.AX_MTU),
    expires: readU32(attributes, Rta.EXPIRES),
  };
};

const decodeNextHops = (attributes: Attributes, flags: number): NextHop[] => {
  const multipath = attributes.get(Rta.MULTIPATH);
  if (multipath) return decodeMultipath(multipath);
  const link = indexOrNone(readU32(attributes, Rta.OIF));
  const gateway = decodeGateway(attributes);
  return link === undefined && gateway === undefined ? [] : [{ link, gateway, weight: 1, flags: flagNames(NEXT_HOP_FLAGS, flags & 0xff) }];
};

const decodeMultipath = (data: Buffer): NextHop[] => {
  const hops: NextHop[] = [];
  for (let offset = 0; offset + RTNEXTHOP_SIZE <= data.length; ) {
    const length = data.readUInt16LE(offset);
    if (length < RTNEXTHOP_SIZE || offset + length > data.length) break;
    hops.push({
      link: indexOrNone(data.readInt32LE(offset + 4)),
      gateway: decodeGateway(readAttributes(data.subarray(offset + RTNEXTHOP_SIZE, offset + length))),
      // The kernel keeps the weight less one.
      weight: data.readUInt8(offset + 3) + 1,
      flags: flagNames(NEXT_HOP_FLAGS, data.readUInt8(offset + 2)),
    });
    offset += (length + 3) & ~3;
  }
  return hops;
};

const decodeGateway = (attributes: Attributes): IpAddress | undefined => {
  const via = attributes.get(Rta.VIA);
  // struct rtvia: the family in two bytes, then the address.
  if (via && (via.length === 6 || via.length === 18)) return ipFromBytes(Uint8Array.from(via.subarray(2)));
  return readIp(attributes, Rta.GATEWAY);
};
