import type { Cidr } from '@cilium-ts/core';
import { cidrLabelKey } from './cidr-label.ts';
import type { Label } from './label.ts';
import type { LabelSet } from './label-set.ts';
import { labelSet } from './label-set.ts';
import type { Families } from './reserved.ts';
import { worldLabel } from './reserved.ts';

/** The label by which a policy selects a prefix: its `cidr:` label, or, for a whole family, the world label. */
export function cidrSelectorLabel(prefix: Cidr, families: Families): Label {
  if (prefix.prefixLength === 0) return worldLabel(prefix.family, families);
  // Not makeLabel, which would parse the key again: policies make these by the ten thousand.
  return { source: 'cidr', key: cidrLabelKey(prefix), value: '' };
}

/** The labels of addresses in a prefix outside of the cluster: its `cidr:` label, if it has one, and the world label. */
export function cidrLabels(prefix: Cidr, families: Families): LabelSet {
  return labelSet([cidrSelectorLabel(prefix, families), worldLabel(prefix.family, families)]);
}
