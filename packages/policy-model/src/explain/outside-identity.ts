import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { Label, LabelSet } from '@cilium-ts/identity';
import { cidrLabels, labelSet, makeLabel, worldLabel } from '@cilium-ts/identity';
import { canonicalFqdn } from '../fqdn/fqdn-name.ts';
import { fqdnMatcher } from '../fqdn/match-fqdn.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { FqdnSelector } from '../model/rule.ts';

/** The prefixes and names that the rules in question speak of. */
export interface OutsideFacts {
  readonly prefixes: readonly Cidr[];
  readonly fqdnSelectors: readonly FqdnSelector[];
}

/** The labels that an address outside of the cluster has under these rules: its nearest prefix, the world, the names that led to it. */
export function addressLabels(address: IpAddress | Cidr, { prefixes, fqdnSelectors }: OutsideFacts, options: PolicyOptions & { readonly names?: readonly string[] }): LabelSet {
  const own = 'prefixLength' in address ? address : hostCidr(address);
  const nearest = prefixes.filter((prefix) => cidrContains(prefix, own)).sort((a, b) => b.prefixLength - a.prefixLength)[0];
  const base: Iterable<Label> = nearest === undefined ? [worldLabel(own.family, options)] : cidrLabels(nearest, options);
  return labelSet([...base, ...nameLabels(options.names ?? [], fqdnSelectors)]);
}

/** The `fqdn:` labels of what these names lead to. */
export function nameLabels(names: readonly string[], selectors: readonly FqdnSelector[]): Label[] {
  const canonical = names.map(canonicalFqdn).filter((name) => name !== undefined);
  return selectors.filter((one) => canonical.some(fqdnMatcher(one))).map((one) => makeLabel('fqdn', fqdnLabelKey(one)));
}
