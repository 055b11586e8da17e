import type { IpAddress } from '@cilium-ts/core';

import { PayloadWriter, readAttributes, readString, readU32 } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';
import { familyNumber, familyOf, flagBits, flagNames, readIp } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';
import { scopes } from './scope.ts';
import type { Scope } from './scope.ts';

/** An address of a device. */
export interface Address {
  readonly link: IfIndex;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: Scope | number;
  readonly flags: ReadonlySet<AddressFlag>;
  /** Far end of a point-to-point address. */
  readonly peer: IpAddress | undefined;
  readonly broadcast: IpAddress | undefined;
  readonly label: string | undefined;
  /** Seconds; undefined: forever. */
  readonly validLifetime: number | undefined;
  /** Seconds; undefined: forever; 0: deprecated. */
  readonly preferredLifetime: number | undefined;
}

/** An address to add. */
export interface AddressSpec {
  readonly link: IfIndex;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope?: Scope | number | undefined;
  /** `no-dad` uses an IPv6 address at once; `no-prefix-route` adds no route for the prefix. */
  readonly flags?: Iterable<AddressFlag> | undefined;
  readonly broadcast?: IpAddress | undefined;
  readonly validLifetime?: number | undefined;
  readonly preferredLifetime?: number | undefined;
}

/** IFA_F_* of linux/if_addr.h. */
export const ADDRESS_FLAGS = {
  secondary: 0x01,
  'no-dad': 0x02,
  optimistic: 0x04,
  'dad-failed': 0x08,
  'home-address': 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  'managed-temporary': 0x100,
  'no-prefix-route': 0x200,
  'auto-join': 0x400,
  'stable-privacy': 0x800,
} as const;
export type AddressFlag = keyof typeof ADDRESS_FLAGS;

/** IFA_* of linux/if_addr.h. */
const Ifa = { ADDRESS: 1, LOCAL: 2, LABEL: 3, BROADCAST: 4, CACHEINFO: 6, FLAGS: 8 } as const;
/** RTM_* of linux/rtnetlink.h. */
const Rtm = { NEWADDR: 20, DELADDR: 21, GETADDR: 22 } as const;
/** Size of struct ifaddrmsg. */
const SIZE = 8;
/** INFINITY_LIFE_TIME of include/net/addrconf.h. */
const FOREVER = 0xffffffff;

/** Reads RTM_NEWADDR and RTM_DELADDR; undefined for other families. */
export const decodeAddress = (message: Message): Address | undefined => {
  const { payload } = message;
  if (payload.length < SIZE || familyOf(payload.readUInt8(0)) === undefined) return undefined;
  const attributes = readAttributes(payload.subarray(SIZE));
  const far = readIp(attributes, Ifa.ADDRESS);
  const address = readIp(attributes, Ifa.LOCAL) ?? far;
  if (!address) return undefined;
  const cache = attributes.get(Ifa.CACHEINFO);
  const lifetime = (offset: number): number | undefined => {
    const seconds = cache && cache.length >= 8 ? cache.readUInt32LE(offset) : FOREVER;
    return seconds === FOREVER ? undefined : seconds;
  };
  return {
    link: payload.readUInt32LE(4) as IfIndex,
    address,
    prefixLength: payload.readUInt8(1),
    scope: scopes.name(payload.readUInt8(3)),
    flags: flagNames(ADDRESS_FLAGS, readU32(attributes, Ifa.FLAGS) ?? payload.readUInt8(2)),
    peer: far && far.text !== address.text ? far : undefined,
    broadcast: readIp(attributes, Ifa.BROADCAST),
    label: readString(attributes, Ifa.LABEL),
    preferredLifetime: lifetime(0),
    validLifetime: lifetime(4),
  };
};

const header = (family: number, prefixLength = 0, scope = 0, link = 0): Buffer => {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt8(family, 0);
  bytes.writeUInt8(prefixLength, 1);
  bytes.writeUInt8(scope, 3);
  bytes.writeUInt32LE(link, 4);
  return bytes;
};

const writerFor = (spec: AddressKey & Pick<AddressSpec, 'scope'>): PayloadWriter => {
  const { address, prefixLength } = spec;
  const longest = address.family === 4 ? 32 : 128;
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > longest) throw new RangeError(`prefixLength: ${prefixLength} is not within 0 and ${longest}`);
  const scope = scopes.number(spec.scope ?? 'global');
  return new PayloadWriter(header(familyNumber(address.family), prefixLength, scope, spec.link)).bytes(Ifa.LOCAL, address.bytes).bytes(Ifa.ADDRESS, address.bytes);
};

const newAddress = (verb: string, flags: number, spec: AddressSpec): NetlinkRequest => {
  const writer = writerFor(spec);
  if (spec.broadcast) writer.bytes(Ifa.BROADCAST, spec.broadcast.bytes);
  if (spec.flags) writer.u32(Ifa.FLAGS, flagBits(ADDRESS_FLAGS, spec.flags));
  if (spec.validLifetime !== undefined || spec.preferredLifetime !== undefined) {
    const cache = Buffer.alloc(16);
    cache.writeUInt32LE(spec.preferredLifetime ?? FOREVER, 0);
    cache.writeUInt32LE(spec.validLifetime ?? FOREVER, 4);
    writer.bytes(Ifa.CACHEINFO, cache);
  }
  return { operation: `${verb} address ${spec.address.text}/${spec.prefixLength} on link ${spec.link}`, type: Rtm.NEWADDR, flags, payload: writer.finish() };
};

/** What names an address to delete. */
export type AddressKey = Pick<AddressSpec, 'link' | 'address' | 'prefixLength'>;

const deleteAddress = (spec: AddressKey): NetlinkRequest => ({
  operation: `delete address ${spec.address.text}/${spec.prefixLength} on link ${spec.link}`,
  type: Rtm.DELADDR,
  flags: 0,
  payload: writerFor(spec).finish(),
});

const listAddresses = (filter: { readonly link?: IfIndex | undefined; readonly family?: 4 | 6 | undefined } = {}): NetlinkRequest => ({
  operation: 'list addresses',
  type: Rtm.GETADDR,
  flags: Flag.DUMP,
  payload: header(filter.family === undefined ? 0 : familyNumber(filter.family), 0, 0, filter.link ?? 0),
});

/** Requests on addresses, for `Netlink.batch`. */
export const addressRequests = {
  /** Fails with `exists` if the device has the address. */
  add: (spec: AddressSpec): NetlinkRequest => newAddress('add', Flag.CREATE | Flag.EXCL, spec),
  /** Adds the address, or changes flags and lifetimes of the one there is. */
  replace: (spec: AddressSpec): NetlinkRequest => newAddress('replace', Flag.CREATE | Flag.REPLACE, spec),
  delete: deleteAddress,
  list: listAddresses,
} as const;
