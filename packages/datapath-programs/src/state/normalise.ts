import { cidrContains, hostCidr, ipFromBytes, parseCidr, type Cidr } from '@cilium-ts/core';
import type { DesiredAddress, DesiredEndpoint, DesiredState, Slot } from './desired.ts';

/** The identities that an address has which no entry covers. */
export interface WorldIdentities {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** A non-local address or prefix as it should be. */
export interface NormalAddress extends DesiredAddress {
  readonly cidr: Cidr;
}

/** A desired state, checked, with every address resolved to what it should lead to. */
export interface NormalState {
  readonly endpoints: ReadonlyMap<Slot, DesiredEndpoint>;
  readonly locals: ReadonlyMap<string, { readonly cidr: Cidr; readonly slot: Slot; readonly identity: number }>;
  readonly remotes: ReadonlyMap<string, NormalAddress>;
}

const MAPPED_RANGE: Cidr = { family: 6, address: ipFromBytes(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0)), prefixLength: 96, text: '::ffff:0:0/96' };

/**
 * Checks a desired state and resolves its addresses.
 * @throws RangeError when a slot, id or identity is out of range
 * @throws TypeError when an address is malformed or claimed twice
 */
export function normalise(desired: DesiredState, slots: number, world: WorldIdentities): NormalState {
  const locals = new Map<string, { cidr: Cidr; slot: Slot; identity: number }>();
  for (const [slot, endpoint] of desired.endpoints) {
    checkEndpoint(slot, endpoint, slots);
    for (const ip of [endpoint.ipv4, endpoint.ipv6]) {
      if (ip === undefined) continue;
      const cidr = hostCidr(ip);
      const other = locals.get(cidr.text);
      if (other !== undefined) throw new TypeError(`endpoints: slots ${other.slot} and ${slot} both have the address ${ip.text}`);
      locals.set(cidr.text, { cidr, slot, identity: endpoint.identity });
    }
  }
  const remotes = new Map<string, DesiredAddress & { cidr: Cidr }>();
  for (const [text, what] of desired.addresses) {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new TypeError(`addresses: '${text}' is no address and no prefix`);
    checkIdentity(`addresses: ${text}`, what.identity);
    if (!locals.has(cidr.text)) remotes.set(cidr.text, { ...what, cidr });
  }
  shieldIpv4(remotes, world);
  return { endpoints: desired.endpoints, locals, remotes };
}

/**
 * IPv4 lies within ::ffff:0:0/96 in the prefix map, so a very short IPv6 prefix would catch IPv4 addresses:
 * then IPv4 gets an explicit default of its own.
 */
function shieldIpv4(remotes: Map<string, DesiredAddress & { cidr: Cidr }>, world: WorldIdentities): void {
  if (remotes.has('0.0.0.0/0')) return;
  const catching = [...remotes.values()].some(({ cidr }) => cidr.family === 6 && cidrContains(cidr, MAPPED_RANGE));
  const cidr = parseCidr('0.0.0.0/0');
  if (catching && cidr !== undefined) remotes.set(cidr.text, { identity: world.ipv4, cidr });
}

function checkEndpoint(slot: Slot, endpoint: DesiredEndpoint, slots: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) throw new RangeError(`endpoints: slot ${slot} is not within 0–${slots - 1}`);
  const name = `endpoints: slot ${slot}`;
  if (!Number.isInteger(endpoint.id) || endpoint.id < 1 || endpoint.id > 65_535) throw new RangeError(`${name}: id ${endpoint.id} is not within 1–65535`);
  if (!Number.isInteger(endpoint.ifindex) || endpoint.ifindex < 1) throw new RangeError(`${name}: ifindex ${endpoint.ifindex} is no interface index`);
  if (!Number.isInteger(endpoint.mtu) || endpoint.mtu < 68 || endpoint.mtu > 65_535) throw new RangeError(`${name}: mtu ${endpoint.mtu} is not within 68–65535`);
  if (endpoint.ipv4 === undefined && endpoint.ipv6 === undefined) throw new TypeError(`${name}: no address`);
  if (endpoint.ipv4 !== undefined && endpoint.ipv4.family !== 4) throw new TypeError(`${name}: ipv4 ${endpoint.ipv4.text} is no IPv4 address`);
  if (endpoint.ipv6 !== undefined && endpoint.ipv6.family !== 6) throw new TypeError(`${name}: ipv6 ${endpoint.ipv6.text} is no IPv6 address`);
  checkIdentity(name, endpoint.identity);
}

function checkIdentity(name: string, identity: number): void {
  if (!Number.isInteger(identity) || identity < 0 || identity >= 2 ** 32) throw new RangeError(`${name}: identity ${identity} is not within 0–4294967295`);
}

/** Whether `remotes` or `locals` give an address or prefix an identity: its own, or that of the longest cover. */
export function resolveIdentity(lookup: (text: string) => number | undefined, cover: (cidr: Cidr) => number | undefined, cidr: Cidr, world: WorldIdentities): number {
  return lookup(cidr.text) ?? cover(cidr) ?? (cidr.family === 4 ? world.ipv4 : world.ipv6);
}
