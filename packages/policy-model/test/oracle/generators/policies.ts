import fc from 'fast-check';
import type { Json } from '../simulator/tables.ts';
import { ciliumPolicy, cidrGroups } from './cilium.ts';
import type { Features } from './features.ts';
import { networkPolicy, tierPolicy } from './kubernetes.ts';

/**
 * Sets of policies of every kind, each under a name of its own, and the groups of prefixes they refer to; with `kind`
 * NetworkPolicies alone.
 */
export function policySets(features: Features, maxLength = 5, kind?: 'NetworkPolicy'): fc.Arbitrary<Json[]> {
  const one =
    kind === undefined
      ? fc.oneof(
          { weight: 5, arbitrary: ciliumPolicy(features) },
          { weight: 2, arbitrary: networkPolicy(features) },
          ...(features.tiers ? [{ weight: 4, arbitrary: tierPolicy(features) }] : []),
        )
      : networkPolicy(features);
  const policies = fc.array(fc.tuple(one, fc.constantFrom('a', 'b', 'z')), { minLength: 1, maxLength, size: 'max' }).map(named);
  return features.cidrGroups ? fc.tuple(policies, cidrGroups).map(([own, groups]) => [...own, ...groups]) : policies;
}

/** Names by number, with a letter before it that changes their order; there is one BaselineAdminNetworkPolicy at most. */
function named(written: readonly [Json, string][]): Json[] {
  let baseline = false;
  return written.flatMap(([document, letter], index) => {
    const single = document.kind === 'BaselineAdminNetworkPolicy';
    if (single && baseline) return [];
    baseline ||= single;
    return [{ ...document, metadata: { ...document.metadata, name: single ? 'default' : `${letter}${index}` } }];
  });
}
