import type { MacAddress } from '@cilium-ts/core';

import type { Namespace } from '../namespace/namespace.ts';
import { PayloadWriter } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { NetlinkRequest } from '../wire/message.ts';
import { Family } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';
import { ADDRESS_GENERATION, IFINFO_SIZE, Ifla, LINK_FLAGS } from './link.ts';
import type { AddressGeneration } from './link.ts';

/** One end of a veth pair to be made. */
export interface VethEnd {
  /** At most 15 bytes. */
  readonly name: string;
  /** Chosen index; the kernel picks one if absent. Taken: NetlinkError `exists` (of the peer:
   * `busy`). The peer's can only be chosen together with the first end's. The two should differ: for ends in different
   * namespaces with the same index the kernel announces the carrier up to a second late, and drops packets until then. */
  readonly index?: IfIndex | undefined;
  readonly mac?: MacAddress | undefined;
  readonly mtu?: number | undefined;
  readonly txQueueLength?: number | undefined;
  /** Receive and transmit queues; the kernel's default is one for each possible CPU. */
  readonly queues?: number | undefined;
}

/** A veth pair: the first end in the socket's namespace, the peer made in place in its own. */
export interface VethSpec extends VethEnd {
  /** Up from the start. The peer cannot be (veth_open wants the pair complete): it is made down. */
  readonly up?: boolean | undefined;
  readonly peer: VethEnd & {
    /** Namespace that the peer is made in; the socket's own if absent. */
    readonly netns?: Namespace | undefined;
  };
}

/** What to change of a device; what is absent stays. */
export interface LinkChanges {
  readonly up?: boolean | undefined;
  /** New name; needs the device by index, and before Linux 6.2 the device to be down. */
  readonly name?: string | undefined;
  readonly mac?: MacAddress | undefined;
  readonly mtu?: number | undefined;
  readonly txQueueLength?: number | undefined;
  /** Takes effect when the device next comes up. */
  readonly ipv6AddressGeneration?: AddressGeneration | undefined;
  readonly promiscuous?: boolean | undefined;
  readonly noArp?: boolean | undefined;
  readonly alias?: string | undefined;
  /** Bridge or bond to put it in; null takes it out. */
  readonly master?: IfIndex | null | undefined;
}

/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19 } as const;
/** VETH_INFO_PEER of linux/veth.h. */
const VETH_INFO_PEER = 1;

const header = (index: number, flags = 0, change = 0): Buffer => {
  const bytes = Buffer.alloc(IFINFO_SIZE);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags >>> 0, 8);
  bytes.writeUInt32LE(change >>> 0, 12);
  return bytes;
};

const checkName = (name: string, argument: string): void => {
  const length = Buffer.byteLength(name);
  // IFNAMSIZ is 16 with the NUL; dev_valid_name refuses these characters too, but with no more than EINVAL.
  if (length < 1 || length > 15 || name === '.' || name === '..' || /[/:\s\0]/.test(name)) {
    throw new TypeError(`${argument}: ${JSON.stringify(name)} is no device name (1 to 15 bytes, no slash, colon or space)`);
  }
};

const targetHeader = (link: IfIndex | string, flags = 0, change = 0): Buffer => header(typeof link === 'number' ? link : 0, flags, change);

const target = (link: IfIndex | string, flags = 0, change = 0): PayloadWriter => {
  const writer = new PayloadWriter(targetHeader(link, flags, change));
  if (typeof link === 'string') {
    checkName(link, 'link');
    writer.string(Ifla.IFNAME, link);
  }
  return writer;
};

const writeEnd = (writer: PayloadWriter, end: VethEnd): void => {
  writer.string(Ifla.IFNAME, end.name);
  if (end.mac) writer.bytes(Ifla.ADDRESS, end.mac.bytes);
  if (end.mtu !== undefined) writer.u32(Ifla.MTU, end.mtu);
  if (end.txQueueLength !== undefined) writer.u32(Ifla.TXQLEN, end.txQueueLength);
  if (end.queues !== undefined) writer.u32(Ifla.NUM_TX_QUEUES, end.queues).u32(Ifla.NUM_RX_QUEUES, end.queues);
};

const createVeth = (spec: VethSpec): NetlinkRequest => {
  checkName(spec.name, 'name');
  checkName(spec.peer.name, 'peer.name');
  // veth_newlink ignores the peer's index otherwise.
  if (spec.peer.index !== undefined && spec.index === undefined) throw new TypeError('peer.index: can only be chosen together with index');
  const up = spec.up ? LINK_FLAGS.up : 0;
  const writer = new PayloadWriter(header(spec.index ?? 0, up, up));
  writeEnd(writer, spec);
  writer.nest(Ifla.LINKINFO, (info) => {
    info.string(Ifla.INFO_KIND, 'veth').nest(Ifla.INFO_DATA, (data) => {
      data.nest(VETH_INFO_PEER, (peer) => {
        peer.raw(header(spec.peer.index ?? 0));
        writeEnd(peer, spec.peer);
        if (spec.peer.netns) peer.u32(Ifla.NET_NS_FD, spec.peer.netns.fd);
      });
    });
  });
  return { operation: `create veth pair ${spec.name}/${spec.peer.name}`, type: Rtm.NEWLINK, flags: Flag.CREATE | Flag.EXCL, payload: writer.finish() };
};

const flagChanges = (changes: LinkChanges): { flags: number; change: number } => {
  const wanted: [number, boolean | undefined][] = [
    [LINK_FLAGS.up, changes.up],
    [LINK_FLAGS.promiscuous, changes.promiscuous],
    [LINK_FLAGS['no-arp'], changes.noArp],
  ];
  let flags = 0;
  let change = 0;
  for (const [bit, on] of wanted) {
    if (on === undefined) continue;
    change |= bit;
    if (on) flags |= bit;
  }
  return { flags, change };
};

const setLink = (link: IfIndex | string, changes: LinkChanges): NetlinkRequest => {
  if (changes.name !== undefined && typeof link === 'string') throw new TypeError('link: renaming needs the index of the device');
  const { flags, change } = flagChanges(changes);
  const writer = target(link, flags, change);
  if (changes.name !== undefined) {
    checkName(changes.name, 'changes.name');
    writer.string(Ifla.IFNAME, changes.name);
  }
  if (changes.mac) writer.bytes(Ifla.ADDRESS, changes.mac.bytes);
  if (changes.mtu !== undefined) writer.u32(Ifla.MTU, changes.mtu);
  if (changes.txQueueLength !== undefined) writer.u32(Ifla.TXQLEN, changes.txQueueLength);
  if (changes.alias !== undefined) writer.string(Ifla.IFALIAS, changes.alias);
  if (changes.master !== undefined) writer.u32(Ifla.MASTER, changes.master ?? 0);
  const generation = changes.ipv6AddressGeneration;
  if (generation !== undefined) {
    writer.nest(Ifla.AF_SPEC, (families) => families.nest(Family.INET6, (inet6) => inet6.u8(Ifla.INET6_ADDR_GEN_MODE, ADDRESS_GENERATION[generation])));
  }
  return { operation: `set link ${link} ${Object.keys(changes).join(', ')}`, type: Rtm.SETLINK, flags: 0, payload: writer.finish() };
};

const deleteLink = (link: IfIndex | string): NetlinkRequest => ({ operation: `delete link ${link}`, type: Rtm.DELLINK, flags: 0, payload: target(link).finish() });

const getLink = (link: IfIndex | string): NetlinkRequest => ({ operation: `get link ${link}`, type: Rtm.GETLINK, flags: 0, payload: target(link).finish() });

const listLinks = (options: { readonly kind?: string | undefined } = {}): NetlinkRequest => {
  const writer = new PayloadWriter(header(0));
  const kind = options.kind;
  if (kind !== undefined) writer.nest(Ifla.LINKINFO, (info) => info.string(Ifla.INFO_KIND, kind));
  return { operation: 'list links', type: Rtm.GETLINK, flags: Flag.DUMP, payload: writer.finish() };
};

/** Requests on devices, for `Netlink.batch`. */
export const linkRequests = { createVeth, set: setLink, delete: deleteLink, get: getLink, list: listLinks } as const;
