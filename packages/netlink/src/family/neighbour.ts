import type { IpAddress, MacAddress } from '@cilium-ts/core';

import { PayloadWriter, readAttributes } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';
import { familyNumber, familyOf, flagNames, names, readIp, readMac } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';

/** An entry of the ARP or neighbour-discovery table. */
export interface Neighbour {
  readonly link: IfIndex;
  readonly address: IpAddress;
  /** Absent while it is being resolved. */
  readonly mac: MacAddress | undefined;
  readonly state: NeighbourState | number;
  readonly flags: ReadonlySet<NeighbourFlag>;
}

/** An entry to add. */
export interface NeighbourSpec {
  readonly link: IfIndex;
  readonly address: IpAddress;
  readonly mac: MacAddress;
  /** `permanent` if absent. */
  readonly state?: NeighbourState | undefined;
}

/** NUD_* of linux/neighbour.h. */
const NEIGHBOUR_STATES = { none: 0, incomplete: 0x01, reachable: 0x02, stale: 0x04, delay: 0x08, probe: 0x10, failed: 0x20, 'no-arp': 0x40, permanent: 0x80 } as const;
export type NeighbourState = keyof typeof NEIGHBOUR_STATES;

/** NTF_* of linux/neighbour.h. */
const NEIGHBOUR_FLAGS = { use: 0x01, self: 0x02, master: 0x04, proxy: 0x08, 'externally-learned': 0x10, router: 0x80 } as const;
export type NeighbourFlag = keyof typeof NEIGHBOUR_FLAGS;

/** NDA_* of linux/neighbour.h. */
const Nda = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWNEIGH: 28, DELNEIGH: 29, GETNEIGH: 30 } as const;
/** Size of struct ndmsg. */
const SIZE = 12;

const states = names(NEIGHBOUR_STATES);

/** Reads RTM_NEWNEIGH and RTM_DELNEIGH; undefined for other families (bridge forwarding entries). */
export const decodeNeighbour = (message: Message): Neighbour | undefined => {
  const { payload } = message;
  if (payload.length < SIZE || familyOf(payload.readUInt8(0)) === undefined) return undefined;
  const attributes = readAttributes(payload.subarray(SIZE));
  const address = readIp(attributes, Nda.DST);
  if (!address) return undefined;
  return {
    link: payload.readInt32LE(4) as IfIndex,
    address,
    mac: readMac(attributes, Nda.LLADDR),
    state: states.name(payload.readUInt16LE(8)),
    flags: flagNames(NEIGHBOUR_FLAGS, payload.readUInt8(10)),
  };
};

const header = (family: number, link = 0, state = 0): Buffer => {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(link, 4);
  bytes.writeUInt16LE(state, 8);
  return bytes;
};

const newNeighbour = (verb: string, flags: number, spec: NeighbourSpec): NetlinkRequest => ({
  operation: `${verb} neighbour ${spec.address.text} on link ${spec.link}`,
  type: Rtm.NEWNEIGH,
  flags,
  payload: new PayloadWriter(header(familyNumber(spec.address.family), spec.link, states.number(spec.state ?? 'permanent')))
    .bytes(Nda.DST, spec.address.bytes)
    .bytes(Nda.LLADDR, spec.mac.bytes)
    .finish(),
});

const deleteNeighbour = (spec: Pick<NeighbourSpec, 'link' | 'address'>): NetlinkRequest => ({
  operation: `delete neighbour ${spec.address.text} on link ${spec.link}`,
  type: Rtm.DELNEIGH,
  flags: 0,
  payload: new PayloadWriter(header(familyNumber(spec.address.family), spec.link)).bytes(Nda.DST, spec.address.bytes).finish(),
});

const listNeighbours = (filter: { readonly link?: IfIndex | undefined; readonly family?: 4 | 6 | undefined } = {}): NetlinkRequest => {
  const writer = new PayloadWriter(header(filter.family === undefined ? 0 : familyNumber(filter.family)));
  if (filter.link !== undefined) writer.u32(Nda.IFINDEX, filter.link);
  return { operation: 'list neighbours', type: Rtm.GETNEIGH, flags: Flag.DUMP, payload: writer.finish() };
};

/** Requests on neighbour entries, for `Netlink.batch`. */
export const neighbourRequests = {
  /** Fails with `exists` if there is an entry for the address. */
  add: (spec: NeighbourSpec): NetlinkRequest => newNeighbour('add', Flag.CREATE | Flag.EXCL, spec),
  replace: (spec: NeighbourSpec): NetlinkRequest => newNeighbour('replace', Flag.CREATE | Flag.REPLACE, spec),
  delete: deleteNeighbour,
  list: listNeighbours,
} as const;
