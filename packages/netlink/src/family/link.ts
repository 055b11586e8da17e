import type { MacAddress } from '@cilium-ts/core';

import { readAttributes, readNested, readS32, readString, readU32 } from '../wire/attributes.ts';
import type { Attributes } from '../wire/attributes.ts';
import type { Message } from '../wire/message.ts';
import { Family, flagNames, indexOrNone, names, readMac } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';

/** A network device as the kernel reports it. */
export interface Link {
  readonly index: IfIndex;
  readonly name: string;
  /** `veth`, `bridge`, `vxlan` …; undefined for physical devices and loopback. */
  readonly kind: string | undefined;
  readonly mac: MacAddress | undefined;
  /** Bytes of network-layer packet. */
  readonly mtu: number;
  readonly flags: ReadonlySet<LinkFlag>;
  readonly operationalState: OperationalState | number;
  readonly txQueueLength: number | undefined;
  /** The bridge or bond it belongs to. */
  readonly master: IfIndex | undefined;
  /** Index of the device it is tied to: of a veth, its other end, in the namespace `peerNamespaceId` if that is set. */
  readonly peer: IfIndex | undefined;
  /**
   * IFLA_LINK_NETNSID: how this namespace numbers the one `peer` is in; undefined if that is this very namespace. The
   * kernel uses a number again once its namespace is gone.
   */
  readonly peerNamespaceId: number | undefined;
  readonly alias: string | undefined;
  readonly qdisc: string | undefined;
  readonly ipv6AddressGeneration: AddressGeneration | number | undefined;
  readonly statistics: LinkStatistics | undefined;
}

/** Counters since the device was made. */
export interface LinkStatistics {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxErrors: number;
  readonly txErrors: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

/** net_device_flags of linux/if.h. */
export const LINK_FLAGS = {
  up: 0x1,
  broadcast: 0x2,
  loopback: 0x8,
  'point-to-point': 0x10,
  running: 0x40,
  'no-arp': 0x80,
  promiscuous: 0x100,
  'all-multicast': 0x200,
  multicast: 0x1000,
  'lower-up': 0x10000,
} as const;
export type LinkFlag = keyof typeof LINK_FLAGS;

/** IF_OPER_* of linux/if.h. */
const OPERATIONAL_STATES = { unknown: 0, 'not-present': 1, down: 2, 'lower-layer-down': 3, testing: 4, dormant: 5, up: 6 } as const;
export type OperationalState = keyof typeof OPERATIONAL_STATES;

/** IN6_ADDR_GEN_MODE_* of linux/if_link.h: how the device gets its IPv6 link-local address when it comes up. */
export const ADDRESS_GENERATION = { eui64: 0, none: 1, 'stable-secret': 2, random: 3 } as const;
export type AddressGeneration = keyof typeof ADDRESS_GENERATION;

/** IFLA_* of linux/if_link.h. */
export const Ifla = {
  ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, QDISC: 6, MASTER: 10, TXQLEN: 13, OPERSTATE: 16, LINKINFO: 18, IFALIAS: 20, STATS64: 23, AF_SPEC: 26,
  NET_NS_FD: 28, NUM_TX_QUEUES: 31, NUM_RX_QUEUES: 32, LINK_NETNSID: 37, INFO_KIND: 1, INFO_DATA: 2, INET6_ADDR_GEN_MODE: 8,
} as const;

const states = names(OPERATIONAL_STATES);
const generations = names(ADDRESS_GENERATION);

/** Size of struct ifinfomsg (linux/rtnetlink.h). */
export const IFINFO_SIZE = 16;

/** Reads RTM_NEWLINK and RTM_DELLINK; undefined for those of a bridge's ports and other families. */
export const decodeLink = (message: Message): Link | undefined => {
  const { payload } = message;
  if (payload.length < IFINFO_SIZE || payload.readUInt8(0) !== Family.UNSPEC) return undefined;
  const attributes = readAttributes(payload.subarray(IFINFO_SIZE));
  const generation = readNested(readNested(attributes, Ifla.AF_SPEC), Family.INET6).get(Ifla.INET6_ADDR_GEN_MODE);
  return {
    index: payload.readInt32LE(4) as IfIndex,
    name: readString(attributes, Ifla.IFNAME) ?? '',
    kind: readString(readNested(attributes, Ifla.LINKINFO), Ifla.INFO_KIND),
    mac: readMac(attributes, Ifla.ADDRESS),
    mtu: readU32(attributes, Ifla.MTU) ?? 0,
    flags: flagNames(LINK_FLAGS, payload.readUInt32LE(8)),
    operationalState: states.name(attributes.get(Ifla.OPERSTATE)?.readUInt8(0) ?? 0),
    txQueueLength: readU32(attributes, Ifla.TXQLEN),
    master: indexOrNone(readU32(attributes, Ifla.MASTER)),
    peer: indexOrNone(readU32(attributes, Ifla.LINK)),
    peerNamespaceId: readS32(attributes, Ifla.LINK_NETNSID),
    alias: readString(attributes, Ifla.IFALIAS),
    qdisc: readString(attributes, Ifla.QDISC),
    ipv6AddressGeneration: generation && generations.name(generation.readUInt8(0)),
    statistics: decodeStatistics(attributes),
  };
};

/** struct rtnl_link_stats64 (linux/if_link.h): u64 each, in this order. */
const decodeStatistics = (attributes: Attributes): LinkStatistics | undefined => {
  const data = attributes.get(Ifla.STATS64);
  if (!data || data.length < 64) return undefined;
  const counter = (position: number): number => Number(data.readBigUInt64LE(position * 8));
  return {
    rxPackets: counter(0), txPackets: counter(1), rxBytes: counter(2), txBytes: counter(3),
    rxErrors: counter(4), txErrors: counter(5), rxDropped: counter(6), txDropped: counter(7),
  };
};
