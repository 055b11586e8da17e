import { addressBits, cidrOf, type Cidr } from '@cilium-ts/core';
import type { DesiredAddress } from '../state/desired.ts';
import type { NormalAddress } from '../state/normalise.ts';
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
  /** The identity that its packets have now; a local endpoint's have that of what covers it. */
  readonly before: number;
  /** The identity that they will have. */
  readonly after: number;
}

/** The identity that an address, or what has none of its own, had and will have. */
export interface AddressMove {
  readonly before: number;
  readonly after: number;
}

/** How identities move in a plan. */
export function movesOf({ changes, removals }: AddressPlan): readonly AddressMove[] {
  return [...changes.map(({ before, what }) => ({ before, after: what.identity })), ...removals];
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
  for (const [text, entry] of state.book.entries) {
    if (next.remotes.has(text) || next.locals.has(text)) continue;
    const { cidr } = entry;
    removals.push({ cidr, before: identityOfEntry(state, entry.target.kind === 'remote' ? entry : state.book.covering(cidr), cidr), after: identityAfter(run, cidr) });
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
export function identityAfter(run: Run, cidr: Cidr): number {
  return coverAfter(run, cidr, run.missing)?.identity ?? (cidr.family === 4 ? run.state.world.ipv4 : run.state.world.ipv6);
}

/** The longest desired cover of an address or prefix, but for some. */
export function coverAfter({ next }: Run, cidr: Cidr, without: ReadonlySet<string> = new Set()): NormalAddress | undefined {
  for (let length = cidr.prefixLength - 1; length >= 0; length--) {
    const { text } = cidrOf(cidr.address, length);
    const cover = next.remotes.get(text);
    if (cover !== undefined && !without.has(text)) return cover;
  }
  return undefined;
}
