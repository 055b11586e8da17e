import type { Cidr } from '@cilium-ts/core';
import type { IpCacheSource } from './ipcache-source.ts';
import { compareSources } from './ipcache-source.ts';
import type { Label } from './label.ts';
import { makeLabel } from './label.ts';
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
  readonly labels: ReadonlyMap<string, Label>;
}

const fixedIdentity = ({ labels }: Contribution): Identity | undefined =>
  'identity' in labels ? labels.identity : undefined;

/** Strongest source first, then by name of the resource, so that the outcome is the same in whatever order they came. */
export function combine(contributions: ReadonlyMap<string, Contribution>): PrefixFacts {
  const ordered = [...contributions].sort(
    ([nameA, a], [nameB, b]) => compareSources(a.source, b.source) || (nameA < nameB ? -1 : 1),
  );
  const labels = new Map<string, Label>();
  let decisive: Contribution | undefined;
  for (const [, contribution] of ordered) {
    if ('identity' in contribution.labels) decisive ??= contribution;
    else for (const label of contribution.labels) if (!labels.has(label.key)) labels.set(label.key, label);
  }
  const identity = decisive === undefined ? undefined : fixedIdentity(decisive);
  return { source: (decisive ?? ordered[0]?.[1])?.source ?? 'unspec', identity, labels };
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
  around: { readonly nearestFirst: Iterable<PrefixFacts>; readonly families: Families },
): LabelSet {
  const merged = new Map(own.labels);
  let hasPrefix = [...own.labels.values()].some((label) => label.source === 'cidr');
  for (const facts of around.nearestFirst) {
    for (const label of facts.labels.values()) {
      if (merged.has(label.key) || (label.source === 'cidr' && hasPrefix)) continue;
      merged.set(label.key, label);
      hasPrefix ||= label.source === 'cidr';
    }
  }
  return labelSet(withInvariants(prefix, merged, around.families));
}

function withInvariants(prefix: Cidr, merged: Map<string, Label>, families: Families): Iterable<Label> {
  const inCluster = IN_CLUSTER.some((key) => merged.get(key)?.source === 'reserved');
  for (const [key, { source }] of merged) {
    const outside = OUTSIDE_SOURCES.has(source) || (source === 'reserved' && WORLD.has(key));
    if (source === 'node' || (inCluster && outside)) merged.delete(key);
  }
  if (inCluster) return merged.values();
  if (merged.size === 0 && prefix.prefixLength > 0) {
    const label = makeLabel('cidr', cidrLabelKey(prefix));
    merged.set(label.key, label);
  }
  const world = worldLabel(prefix.family, families);
  return merged.set(world.key, world).values();
}
