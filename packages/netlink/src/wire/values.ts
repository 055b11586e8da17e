import { ipFromBytes, macFromBytes } from '@cilium-ts/core';
import type { Brand, IpAddress, MacAddress } from '@cilium-ts/core';

import type { Attributes } from './attributes.ts';

/** Index of a network device within its namespace; 1 to 2^31 − 1. */
export type IfIndex = Brand<number, 'IfIndex'>;

/** Checks and brands an interface index. Throws RangeError for anything that the kernel could not use as one. */
export const ifIndex = (value: number): IfIndex => {
  if (!Number.isInteger(value) || value < 1 || value > 0x7fffffff) throw new RangeError(`value: ${value} is no interface index (1 to 2147483647)`);
  return value as IfIndex;
};

/** An index the kernel sent. Zero, its "none", becomes undefined. */
export const indexOrNone = (value: number | undefined): IfIndex | undefined => (value === undefined || value <= 0 ? undefined : (value as IfIndex));

/** Address families of linux/socket.h. */
export const Family = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;

export const familyNumber = (family: 4 | 6): number => (family === 4 ? Family.INET : Family.INET6);

/** 4 or 6 for the families this package knows; undefined for others (bridge, MPLS …), whose records are left out. */
export const familyOf = (number: number): 4 | 6 | undefined => (number === Family.INET ? 4 : number === Family.INET6 ? 6 : undefined);

/** Copies: a record must not keep the datagram it came in alive. */
export const readIp = (attributes: Attributes, type: number): IpAddress | undefined => {
  const data = attributes.get(type);
  return data && (data.length === 4 || data.length === 16) ? ipFromBytes(Uint8Array.from(data)) : undefined;
};

export const readMac = (attributes: Attributes, type: number): MacAddress | undefined => {
  const data = attributes.get(type);
  return data?.length === 6 ? macFromBytes(Uint8Array.from(data)) : undefined;
};

/** The unspecified address of a family, for "any" destinations. */
export const anyAddress = (family: 4 | 6): IpAddress => ipFromBytes(new Uint8Array(family === 4 ? 4 : 16));

/** Numbers with names, both ways; a number without a name shows as itself. */
export const names = <Name extends string>(table: Readonly<Record<Name, number>>) => {
  const byNumber = new Map<number, Name>((Object.entries(table) as [Name, number][]).map(([name, number]) => [number, name]));
  return {
    name: (number: number): Name | number => byNumber.get(number) ?? number,
    number: (name: Name | number): number => (typeof name === 'number' ? name : table[name]),
  };
};

/** The names of the bits that are set. */
export const flagNames = <Name extends string>(table: Readonly<Record<Name, number>>, bits: number): ReadonlySet<Name> =>
  new Set((Object.entries(table) as [Name, number][]).filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name));

export const flagBits = <Name extends string>(table: Readonly<Record<Name, number>>, flags: Iterable<Name>): number => {
  let bits = 0;
  for (const flag of flags) bits |= table[flag];
  return bits >>> 0;
};
