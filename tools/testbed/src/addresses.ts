import { parseCidr, parseIp } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';

/** Parses an address. Throws TypeError for anything else. */
export const ip = (text: string): IpAddress => {
  const parsed = parseIp(text);
  if (!parsed) throw new TypeError(`${JSON.stringify(text)} is no IP address`);
  return parsed;
};

/** Parses a prefix, or an address as one that holds only itself. Throws TypeError for anything else. */
export const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new TypeError(`${JSON.stringify(text)} is no prefix`);
  return parsed;
};
