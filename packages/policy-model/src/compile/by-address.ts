import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { Identity, LabelSet, NumericIdentity, Selector } from '@cilium-ts/identity';
import { labelSet, makeLabel, selector } from '@cilium-ts/identity';
import type { PolicyDirectory } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrPeer, RuleAction } from '../model/rule.ts';

const SOURCE = 'identity';
/** No label of a workload has such a key: `@` may not stand there. */
const keyOf = (id: NumericIdentity): string => `@${id}`;

/**
 * The labels by which peers are found. Where prefixes may mean pods and nodes, everybody has one more that nobody else
 * has: prefixes become selectors of those that they hold.
 */
export function labelsUnder({ strictNetworkPolicy = false }: PolicyOptions): (identity: Identity) => LabelSet {
  if (!strictNetworkPolicy) return ({ labels }) => labels;
  return ({ id, labels }) => labelSet([...labels, makeLabel(SOURCE, keyOf(id))]);
}

/** Selectors of those whose known addresses a prefix means. */
export function selectByAddress(peer: CidrPeer, action: RuleAction, directory: Pick<PolicyDirectory, 'allAddresses'>): readonly Selector[] {
  const selectors: Selector[] = [];
  for (const [id, addresses] of directory.allAddresses()) {
    if (meansAddresses(peer, action, addresses)) selectors.push(selector([{ source: SOURCE, key: keyOf(id), operator: 'Exists', values: [] }]));
  }
  return selectors;
}

/**
 * An identity stands for several addresses, of which a prefix may hold some. Then nothing is allowed that not all of
 * them may, and everything denied that one of them must not.
 */
function meansAddresses({ prefix, except }: CidrPeer, action: RuleAction, addresses: readonly IpAddress[]): boolean {
  const holds = (one: Cidr, address: IpAddress): boolean => cidrContains(one, hostCidr(address));
  const means = (address: IpAddress): boolean => holds(prefix, address) && !except.some((exception) => holds(exception, address));
  return action === 'deny' ? addresses.some(means) : addresses.every(means);
}
