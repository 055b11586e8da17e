import { addressBits, cidrOf, type Cidr } from '@cilium-ts/core';
import type { DesiredAddress } from '../state/desired.ts';
import { identityOfEntry, type Run } from './run.ts';

/** An address or prefix that should stand for another identity than it does. */
export interface AddressChange {
  readonly cidr: Cidr;
  readonly what: DesiredAddress;
  /** The identity that its packets have now. */
  readonly before: number;
}

/** An address or prefix that should go. */
export interface AddressRemoval {
  readonly cidr: Cidr;
  /** The identity that its packets will have. */
  readonly after: number;
}

/** What should happen to non-local addresses. */
export interface AddressPlan {
  readonly changes: readonly AddressChange[];
  readonly removals: readonly AddressRemoval[];
}

/** Compares the address book with the desired addresses. */
export function planAddresses(run: Run): AddressPlan {
  const { state, next } = run;
  const changes: AddressChange[] = [];
  for (const [text, what] of next.remotes) {
    const entry = state.book.entries.get(text);
    const target = entry?.target;
    if (target?.kind === 'remote' && target.identity === what.identity && target.host === (what.host ?? false)) continue;
    changes.push({ cidr: what.cidr, what, before: identityOfEntry(state, entry ?? state.book.covering(what.cidr), what.cidr) });
  }
  const removals: AddressRemoval[] = [];
  for (const [text, { cidr }] of state.book.entries) {
    if (next.remotes.has(text) || next.locals.has(text)) continue;
    removals.push({ cidr, after: identityAfter(run, cidr) });
  }
  // Longest first when they come, shortest first when they go: no address passes through a prefix in between.
  changes.sort((a, b) => b.cidr.prefixLength - a.cidr.prefixLength);
  removals.sort((a, b) => a.cidr.prefixLength - b.cidr.prefixLength);
  return { changes, removals };
}

/** Whether one of the prefixes covers one of the single addresses. */
export function coversSome(prefixes: readonly Cidr[], addresses: readonly Cidr[]): boolean {
  const texts = new Set(prefixes.map(({ text }) => text));
  const lengths = [...new Set(prefixes.map(({ prefixLength }) => prefixLength))];
  return addresses.some(({ address }) => lengths.some((length) => length <= addressBits(address.family) && texts.has(cidrOf(address, length).text)));
}

/** The identity of an address that has no entry of its own: that of the longest desired cover which found room. */
export function identityAfter({ state, next, missing }: Run, cidr: Cidr): number {
  for (let length = cidr.prefixLength - 1; length >= 0; length--) {
    const { text } = cidrOf(cidr.address, length);
    const cover = next.remotes.get(text);
    if (cover !== undefined && !missing.has(text)) return cover.identity;
  }
  return cidr.family === 4 ? state.world.ipv4 : state.world.ipv6;
}
