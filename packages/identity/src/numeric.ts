import type { Brand } from '@cilium-ts/core';
import { IdentityError } from './error.ts';
import type { LabelSet } from './label-set.ts';

/** The number that stands for a set of labels, in packets' metadata and in the kernel's maps. */
export type NumericIdentity = Brand<number, 'NumericIdentity'>;

/** A set of labels and its number. */
export interface Identity {
  readonly id: NumericIdentity;
  readonly labels: LabelSet;
}

/**
 * Where a number is valid. `reserved`: fixed meaning everywhere (0–255). `global`: the cluster. `local`: this node
 * (prefixes outside of the cluster). `remote-node`: this node's numbers for other nodes.
 */
export type IdentityScope = 'reserved' | 'global' | 'local' | 'remote-node';

/** First and last number of a range, both inclusive. */
export interface IdentityRange {
  readonly first: number;
  readonly last: number;
}

const CLUSTER_SIZE = 65_536;
const SCOPE_SIZE = 1 << 24;
const LOCAL = 0x01;
const REMOTE_NODE = 0x02;

/** `value` as a NumericIdentity. Throws RangeError unless it is a 32-bit unsigned integer. */
export function numericIdentity(value: number): NumericIdentity {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RangeError(`value: an identity is an integer 0–4294967295, got ${value}`);
  }
  return value as NumericIdentity;
}

/** The number that decimal text names, or `undefined`. */
export function parseNumericIdentity(text: string): NumericIdentity | undefined {
  if (!/^(?:0|[1-9]\d{0,9})$/.test(text) || Number(text) > 0xffff_ffff) return undefined;
  return Number(text) as NumericIdentity;
}

/** The scope of a number: bits 24–31 say local or remote node; of the others those up to 255 are reserved. */
export function identityScope(id: number): IdentityScope {
  const scope = id >>> 24;
  if (scope === LOCAL) return 'local';
  if (scope === REMOTE_NODE) return 'remote-node';
  return id < 256 ? 'reserved' : 'global';
}

/**
 * The numbers to allocate from. Global: 256–65535, or, in cluster N of a mesh, the 65,536 that begin at N × 65536.
 * The others: all 24-bit numbers but 0 under the scope's byte. Throws RangeError for a cluster outside of 0–255.
 */
export function identityRange(scope: Exclude<IdentityScope, 'reserved'>, clusterId = 0): IdentityRange {
  if (!Number.isInteger(clusterId) || clusterId < 0 || clusterId > 255) {
    throw new RangeError(`clusterId: expected an integer 0–255, got ${clusterId}`);
  }
  if (scope === 'global') {
    const first = clusterId === 0 ? 256 : clusterId * CLUSTER_SIZE;
    return { first, last: clusterId * CLUSTER_SIZE + CLUSTER_SIZE - 1 };
  }
  const base = (scope === 'local' ? LOCAL : REMOTE_NODE) * SCOPE_SIZE;
  return { first: base + 1, last: base + SCOPE_SIZE - 1 };
}

const LOCAL_SOURCES = new Set<string>(['cidr', 'fqdn', 'cidrgroup', 'reserved']);

/**
 * The scope in which a set of labels gets its number, if it is no reserved identity: nodes remote-node; ingress, and
 * sets of nothing but cidr, fqdn, cidrgroup and reserved labels local; any other global.
 */
export function scopeForLabels(labels: LabelSet): Exclude<IdentityScope, 'reserved'> {
  if (labels.has('reserved', 'remote-node')) return 'remote-node';
  if (labels.has('reserved', 'ingress')) return 'local';
  if (labels.size === 0) return 'global';
  for (const label of labels) if (!LOCAL_SOURCES.has(label.source)) return 'global';
  return 'local';
}

/** First and last number that an operator may bind to a name. */
export const FIXED_IDENTITIES: IdentityRange = { first: 128, last: 255 };

/**
 * Reads `number=name` items (`--fixed-identity-mapping=128=kv-store`).
 * Throws IdentityError `bad-fixed-identity` for malformed items, numbers outside of 128–255, and numbers or names
 * that occur twice.
 */
export function parseFixedIdentityMapping(items: Iterable<string>): ReadonlyMap<NumericIdentity, string> {
  const mapping = new Map<NumericIdentity, string>();
  const names = new Set<string>();
  for (const item of items) {
    const fail = (why: string): IdentityError =>
      new IdentityError('bad-fixed-identity', `read fixed identity ${JSON.stringify(item)}: ${why}`);
    const equals = item.indexOf('=');
    const id = parseNumericIdentity(item.slice(0, Math.max(0, equals)));
    const name = item.slice(equals + 1);
    if (id === undefined || name === '') throw fail('expected number=name, for instance 128=kv-store');
    if (id < FIXED_IDENTITIES.first || id > FIXED_IDENTITIES.last) throw fail('the number must be 128–255');
    if (mapping.has(id)) throw fail(`the number is ${mapping.get(id)} already`);
    if (names.has(name)) throw fail('the name has a number already');
    names.add(name);
    mapping.set(id, name);
  }
  return mapping;
}
