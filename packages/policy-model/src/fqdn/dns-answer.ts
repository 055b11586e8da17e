import type { IpAddress } from '@cilium-ts/core';
import { canonicalFqdn } from './fqdn-name.ts';

/** A resource record of an answer section, as far as it matters here. */
export type DnsRecord =
  | { readonly kind: 'address'; readonly owner: string; readonly ttl: number; readonly address: IpAddress }
  | { readonly kind: 'cname'; readonly owner: string; readonly ttl: number; readonly target: string };

/** Where a name leads by an answer. */
export interface ResolvedAnswer {
  /** Each once, in the order of the answer. */
  readonly addresses: readonly IpAddress[];
  /** The names after the first on the way to the addresses, in lower case with a final dot. */
  readonly aliases: readonly string[];
  /** The least of all records on the way; 0 where there are none. */
  readonly ttl: number;
}

/**
 * Follows the CNAME records of an answer from the name that was asked for to its addresses, in whatever order the
 * records stand. What is not on the way is left out: a server may add addresses for names that nobody asked for. Of
 * several CNAME records of one name the first counts; a loop ends where it closes.
 */
export function resolveAnswer(question: string, records: readonly DnsRecord[]): ResolvedAnswer {
  const cnames = new Map<string, { readonly target: string | undefined; readonly ttl: number }>();
  const owners = records.map(({ owner }) => canonicalFqdn(owner));
  records.forEach((record, i) => {
    const owner = owners[i];
    if (record.kind !== 'cname' || owner === undefined || cnames.has(owner)) return;
    cnames.set(owner, { target: canonicalFqdn(record.target), ttl: record.ttl });
  });
  const way = new Set<string>();
  let ttl = Infinity;
  for (let name = canonicalFqdn(question); name !== undefined && !way.has(name); ) {
    way.add(name);
    const next = cnames.get(name);
    if (next !== undefined) ttl = Math.min(ttl, next.ttl);
    name = next?.target;
  }
  const addresses = new Map<string, IpAddress>();
  records.forEach((record, i) => {
    const owner = owners[i];
    if (record.kind !== 'address' || owner === undefined || !way.has(owner)) return;
    addresses.set(record.address.text, record.address);
    ttl = Math.min(ttl, record.ttl);
  });
  const [, ...aliases] = way;
  if (addresses.size === 0) return { addresses: [], aliases, ttl: 0 };
  return { addresses: [...addresses.values()], aliases, ttl };
}
