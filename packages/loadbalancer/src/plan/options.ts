import type { Cidr } from '@cilium-ts/core';
import { parseCidr } from '@cilium-ts/core';
import type { HashSeed } from '../hash/hash-seed.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/hash-seed.ts';
import { DEFAULT_MAGLEV_TABLE_SIZE, MAGLEV_TABLE_SIZES } from '../maglev/table-sizes.ts';
import type { Labels } from '../model/label-selector.ts';
import type { Algorithm } from '../model/service.ts';

/** How many of each the kernel's maps hold. */
export interface LoadBalancerLimits {
  /** Ids of services: frontends times scopes, wildcards not counted. */
  readonly services: number;
  /** Frontends, scopes and wildcards counted. */
  readonly frontends: number;
  /** Backends, once per pool. */
  readonly backends: number;
  /** Indexes in all runs together. */
  readonly runs: number;
  /** Prefixes, once per frontend and scope. */
  readonly sourceRanges: number;
}

/**
 * The most that any limit can be: ids of services have 16 bits in a flow's entry, indexes of backends 24
 * (FLOW_BACKEND_SHIFT of bpf/lib/flows.h), offsets of runs 32; id and index 0 stand for none.
 */
export const MOST: LoadBalancerLimits = { services: 65535, frontends: 131072, backends: 2 ** 24 - 1, runs: 2 ** 31, sourceRanges: 2 ** 31 };

/** The sizes of the maps of bpf/lib/services.h. */
export const DEFAULT_LIMITS: LoadBalancerLimits = { services: 65535, frontends: 65536, backends: 131071, runs: 2097152, sourceRanges: 65536 };

/** What one node's load balancer is made with. Names in brackets are Cilium's settings. */
export interface LoadBalancerOptions {
  /** This node, as slices and pods name it. */
  readonly nodeName: string;
  /** This node's zone; topology hints are ignored without one (`enable-service-topology`). */
  readonly zone?: string;
  /** This node's labels, for services that only some nodes expose. */
  readonly nodeLabels?: Labels;
  /** `random` unless given (`bpf-lb-algorithm`). Services without frontends for outside stay with `random`. */
  readonly algorithm?: Algorithm;
  /** 16381 unless given (`bpf-lb-maglev-table-size`). */
  readonly maglevTableSize?: number;
  /** Base64 of 12 bytes, the same on all nodes (`bpf-lb-maglev-hash-seed`). */
  readonly hashSeed?: string;
  /** 30000–32767 unless given (`node-port-range`). */
  readonly nodePortRange?: { readonly first: number; readonly last: number };
  /** Both on unless given. */
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  /** `snat` unless given; `hybrid`: DSR for TCP, SNAT for the rest (`bpf-lb-mode`). */
  readonly mode?: 'snat' | 'dsr' | 'hybrid';
  /** On unless given (`enable-session-affinity`). */
  readonly sessionAffinity?: boolean;
  /** Source ranges hold for all frontends, not only for LoadBalancer ones (`bpf-lb-source-range-all-types`). */
  readonly sourceRangeAllTypes?: boolean;
  /** Clients outside may use ClusterIPs (`bpf-lb-external-clusterip`). */
  readonly externalClusterIp?: boolean;
  /** The only prefixes whose addresses local redirect policies may name; all when empty (`lrp-address-matcher-cidrs`). */
  readonly redirectCidrs?: readonly (Cidr | string)[];
  /** As many as the maps of this node hold; {@link DEFAULT_LIMITS} unless given, {@link MOST} at most. */
  readonly limits?: Partial<LoadBalancerLimits>;
}

/** {@link LoadBalancerOptions} with nothing left open. */
export interface Settings {
  readonly nodeName: string;
  readonly zone: string | undefined;
  readonly nodeLabels: Labels;
  readonly algorithm: Algorithm;
  readonly maglevTableSize: number;
  readonly seed: HashSeed;
  readonly nodePortRange: { readonly first: number; readonly last: number };
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly mode: 'snat' | 'dsr' | 'hybrid';
  readonly sessionAffinity: boolean;
  readonly sourceRangeAllTypes: boolean;
  readonly externalClusterIp: boolean;
  readonly redirectCidrs: readonly Cidr[];
  readonly limits: LoadBalancerLimits;
}

/** Checks options and fills in what they leave out. Throws TypeError or RangeError that names the option. */
export function settingsOf(options: LoadBalancerOptions): Settings {
  if (options.nodeName === '') throw new TypeError('nodeName: must not be empty');
  const range = options.nodePortRange ?? { first: 30000, last: 32767 };
  if (!isPort(range.first) || !isPort(range.last) || range.first > range.last) {
    throw new RangeError(`nodePortRange: expected two ports in ascending order, got ${range.first}-${range.last}`);
  }
  return {
    nodeName: options.nodeName,
    zone: options.zone === '' ? undefined : options.zone,
    nodeLabels: options.nodeLabels ?? {},
    algorithm: options.algorithm ?? 'random',
    maglevTableSize: tableSizeOf(options.maglevTableSize),
    seed: seedOf(options.hashSeed),
    nodePortRange: range,
    ipv4: options.ipv4 ?? true,
    ipv6: options.ipv6 ?? true,
    mode: options.mode ?? 'snat',
    sessionAffinity: options.sessionAffinity ?? true,
    sourceRangeAllTypes: options.sourceRangeAllTypes ?? false,
    externalClusterIp: options.externalClusterIp ?? false,
    redirectCidrs: (options.redirectCidrs ?? []).map(cidrOption),
    limits: limitsOf(options.limits),
  };
}

/** Whether the number is a port: 1–65535. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

function limitsOf(given: Partial<LoadBalancerLimits> = {}): LoadBalancerLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, limit] of Object.entries(limits) as [keyof LoadBalancerLimits, number][]) {
    if (!Number.isInteger(limit) || limit < 0 || limit > MOST[name]) throw new RangeError(`limits.${name}: expected a whole number from 0 to ${MOST[name]}, got ${limit}`);
  }
  return limits;
}

function tableSizeOf(size: number = DEFAULT_MAGLEV_TABLE_SIZE): number {
  if (MAGLEV_TABLE_SIZES.includes(size)) return size;
  throw new RangeError(`maglevTableSize: expected one of ${MAGLEV_TABLE_SIZES.join(', ')}, got ${size}`);
}

function seedOf(text: string = DEFAULT_HASH_SEED): HashSeed {
  const seed = parseHashSeed(text);
  if (seed === undefined) throw new TypeError(`hashSeed: expected base64 of 12 bytes, got ${JSON.stringify(text)}`);
  return seed;
}

function cidrOption(cidr: Cidr | string): Cidr {
  const parsed = typeof cidr === 'string' ? parseCidr(cidr) : cidr;
  if (parsed === undefined) throw new TypeError(`redirectCidrs: ${JSON.stringify(cidr)} is not a prefix of addresses`);
  return parsed;
}
