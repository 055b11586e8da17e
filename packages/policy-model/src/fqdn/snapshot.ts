import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import { PolicyModelError } from '../error.ts';
import { canonicalFqdn } from './fqdn-name.ts';
import type { Lookup } from './lookup-history.ts';
import type { Zombie } from './zombies.ts';

/** A name cache as plain data. Times in milliseconds. */
export interface NameCacheSnapshot {
  readonly version: 1;
  readonly endpoints: readonly {
    /** Absent for the history of answers that no endpoint asked for. */
    readonly endpoint?: string;
    readonly lookups: readonly { readonly name: string; readonly address: string; readonly lookedUpAt: number; readonly expiresAt: number }[];
    readonly zombies: readonly {
      readonly address: string;
      readonly names: readonly string[];
      readonly aliveAt: number;
      readonly deletePendingAt: number;
    }[];
  }[];
}

/** One endpoint's part of a cache. */
export interface EndpointNames {
  readonly endpoint: string | undefined;
  readonly lookups: Iterable<Lookup>;
  readonly zombies: Iterable<SavedZombie>;
}

type SavedZombie = Pick<Zombie, 'address' | 'aliveAt' | 'deletePendingAt'> & { readonly names: Iterable<string> };

/** The snapshot of these, in a fixed order, so that equal caches have equal snapshots. */
export function writeSnapshot(endpoints: readonly EndpointNames[]): NameCacheSnapshot {
  const sorted = [...endpoints].sort((a, b) => compare(a.endpoint ?? '', b.endpoint ?? ''));
  return {
    version: 1,
    endpoints: sorted.map(({ endpoint, lookups, zombies }) => ({
      ...(endpoint === undefined ? {} : { endpoint }),
      lookups: Array.from(lookups, (lookup) => ({ ...lookup, address: lookup.address.text })).sort(
        (a, b) => compare(a.name, b.name) || compare(a.address, b.address),
      ),
      zombies: Array.from(zombies, ({ address, names, aliveAt, deletePendingAt }) => ({
        address: address.text,
        names: [...names].sort(),
        aliveAt,
        deletePendingAt,
      })).sort((a, b) => compare(a.address, b.address)),
    })),
  };
}

/** What the snapshot holds, checked. Throws PolicyModelError `bad-snapshot`, naming the place. */
export function readSnapshot(snapshot: unknown): EndpointNames[] {
  const root = object(snapshot, 'snapshot');
  if (root['version'] !== 1) throw bad('version', `is ${JSON.stringify(root['version'])}, this version reads 1`);
  return list(root['endpoints'], 'endpoints').map((value, index) => {
    const at = `endpoints[${index}]`;
    const { endpoint, lookups, zombies } = object(value, at);
    if (endpoint !== undefined && typeof endpoint !== 'string') throw bad(`${at}.endpoint`, 'is no text');
    return {
      endpoint,
      lookups: list(lookups, `${at}.lookups`).map((item, i) => readLookup(item, `${at}.lookups[${i}]`)),
      zombies: list(zombies, `${at}.zombies`).map((item, i) => readZombie(item, `${at}.zombies[${i}]`)),
    };
  });
}

function readLookup(value: unknown, at: string): Lookup {
  const { name, address, lookedUpAt, expiresAt } = object(value, at);
  return {
    name: readName(name, `${at}.name`),
    address: readAddress(address, `${at}.address`),
    lookedUpAt: readTime(lookedUpAt, `${at}.lookedUpAt`),
    expiresAt: readTime(expiresAt, `${at}.expiresAt`),
  };
}

function readZombie(value: unknown, at: string): SavedZombie {
  const { names, address, aliveAt, deletePendingAt } = object(value, at);
  return {
    address: readAddress(address, `${at}.address`),
    names: list(names, `${at}.names`).map((name, i) => readName(name, `${at}.names[${i}]`)),
    aliveAt: readTime(aliveAt, `${at}.aliveAt`),
    deletePendingAt: readTime(deletePendingAt, `${at}.deletePendingAt`),
  };
}

function object(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(at, 'is no object');
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw bad(at, 'is no list');
  return value;
}

function readName(value: unknown, at: string): string {
  const name = typeof value === 'string' ? canonicalFqdn(value) : undefined;
  if (name === undefined) throw bad(at, 'is no DNS name');
  return name;
}

function readAddress(value: unknown, at: string): IpAddress {
  const address = typeof value === 'string' ? parseIp(value) : undefined;
  if (address === undefined) throw bad(at, 'is no address');
  return address;
}

function readTime(value: unknown, at: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw bad(at, 'is no time in milliseconds');
  return value;
}

function bad(at: string, why: string): PolicyModelError {
  return new PolicyModelError('bad-snapshot', `restore DNS names: ${at} ${why}; start without the snapshot, names are learned anew`);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
