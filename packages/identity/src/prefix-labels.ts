import type { Cidr } from '@cilium-ts/core';
import type { IpCacheSource } from './ipcache-source.ts';
import { compareSources } from './ipcache-source.ts';
import type { Label } from './label.ts';
import type { LabelSet } from './label-set.ts';
import { labelSet } from './label-set.ts';
import type { Identity } from './numeric.ts';
import type { Families } from './reserved.ts';
import { worldLabel } from './reserved.ts';
import { cidrLabelKey } from './cidr-label.ts';

/** What one resource says about a prefix: labels for it and everything inside, or the very identity of it alone. */
export interface Contribution {
  readonly source: IpCacheSource;
  readonly labels: LabelSet | { readonly identity: Identity };
}

/** What all resources together say about a prefix, without its surroundings. */
export interface PrefixFacts {
  /** The strongest source, or that of the identity. */
  readonly source: IpCacheSource;
  readonly identity: Identity | undefined;
  readonly labels: LabelSet;
}

/** Strongest source first, then by name of the resource, so that the outcome is the same in whatever order they came. */
export function combine(contributions: ReadonlyMap<string, Contribution>): PrefixFacts {
  const ordered = [...contributions];
  if (ordered.length > 1) {
    ordered.sort(([nameA, a], [nameB, b]) => compareSources(a.source, b.source) || (nameA < nameB ? -1 : 1));
  }
  const decisive = ordered.find(([, { labels }]) => 'identity' in labels)?.[1];
  const sets = ordered.flatMap(([, { labels }]) => ('identity' in labels ? [] : [labels]));
  const source = (decisive ?? ordered[0]?.[1])?.source ?? 'unspec';
  const identity = decisive !== undefined && 'identity' in decisive.labels ? decisive.labels.identity : undefined;
  return { source, identity, labels: firstWins(sets) };
}

/** The labels of all sets; of those with the same key, that of the first set. */
export function firstWins(sets: readonly LabelSet[]): LabelSet {
  if (sets.length === 1) return sets[0]!;
  const labels = new Map<string, Label>();
  for (const set of sets) for (const label of set) if (!labels.has(label.key)) labels.set(label.key, label);
  return labelSet(labels.values());
}

const IN_CLUSTER = ['host', 'remote-node', 'health', 'ingress'] as const;
const WORLD = new Set(['world', 'world-ipv4', 'world-ipv6']);
/** Sources that select addresses outside of the cluster, and `node`, which needs node selectors to be of use. */
const OUTSIDE_SOURCES = new Set<string>(['cidr', 'fqdn', 'cidrgroup', 'node']);

/**
 * The labels of a prefix: its own, then, for keys that are still missing, those of the prefixes around it, the nearest
 * first. Only the nearest `cidr:` label is taken, since it meets the terms of those around it as well. Then what holds
 * for all: nodes, health and ingress endpoints are no part of the world and cannot be selected by prefix; everything
 * else gets the world label of its family.
 */
export function mergeLabels(
  prefix: Cidr,
  own: PrefixFacts,
  around: { readonly nearestFirst: readonly PrefixFacts[]; readonly families: Families },
): LabelSet {
  const world = worldLabel(prefix.family, around.families);
  // Most prefixes stand alone and say of themselves what holds for them; there are ten thousands of them.
  if (around.nearestFirst.length === 0 && isComplete(own.labels, world)) return own.labels;
  const merged = new Map(Array.from(own.labels, (label) => [label.key, label]));
  let hasPrefix = own.labels.prefixes.length > 0;
  for (const { labels } of around.nearestFirst) {
    for (const label of labels) {
      if (merged.has(label.key) || (label.source === 'cidr' && hasPrefix)) continue;
      merged.set(label.key, label);
      hasPrefix ||= label.source === 'cidr';
    }
  }
  return labelSet(withInvariants(prefix, merged, world));
}

/** Whether the labels are as {@link withInvariants} would leave them. */
function isComplete(labels: LabelSet, world: Label): boolean {
  if (!labels.has(world.source, world.key)) return false;
  for (const { source, key } of labels) if (source === 'node' || (source === 'reserved' && key !== world.key)) return false;
  return true;
}

function withInvariants(prefix: Cidr, merged: Map<string, Label>, world: Label): Iterable<Label> {
  const inCluster = IN_CLUSTER.some((key) => merged.get(key)?.source === 'reserved');
  for (const [key, { source }] of merged) {
    const outside = OUTSIDE_SOURCES.has(source) || (source === 'reserved' && WORLD.has(key));
    if (source === 'node' || (inCluster && outside)) merged.delete(key);
  }
  if (inCluster) return merged.values();
  if (merged.size === 0 && prefix.prefixLength > 0) {
    const key = cidrLabelKey(prefix);
    merged.set(key, { source: 'cidr', key, value: '' });
  }
  return merged.set(world.key, world).values();
}
