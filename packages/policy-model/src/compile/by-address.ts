import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { Identity, LabelSet, NumericIdentity, Selector } from '@cilium-ts/identity';
import { labelSet, makeLabel, selector } from '@cilium-ts/identity';
import type { PolicyDirectory } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrPeer, Rule, RuleAction } from '../model/rule.ts';

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

/**
 * Selectors of those whose known addresses a rule's prefixes mean. An identity stands for several addresses, of both
 * families, of which they may hold some. Then nothing is allowed that not all of them may, and everything denied that
 * one of them must not.
 */
export function selectByAddress(blocks: readonly CidrPeer[], action: RuleAction, directory: Pick<PolicyDirectory, 'allAddresses'>): readonly Selector[] {
  const selectors: Selector[] = [];
  if (blocks.length === 0) return selectors;
  const means = (address: IpAddress): boolean => blocks.some(({ prefix, except }) => holds(prefix, address) && !except.some((exception) => holds(exception, address)));
  for (const [id, addresses] of directory.allAddresses()) {
    if (!(action === 'deny' ? addresses.some(means) : addresses.every(means))) continue;
    selectors.push(selector([{ source: SOURCE, key: keyOf(id), operator: 'Exists', values: [] }]));
  }
  return selectors;
}

/** The prefixes of a rule that mean pods and nodes too. */
export function blocksByAddress({ peers }: Rule, { strictNetworkPolicy = false }: Pick<PolicyOptions, 'strictNetworkPolicy'>): readonly CidrPeer[] {
  if (!strictNetworkPolicy || peers.kind !== 'peers') return [];
  return peers.peers.filter((peer) => peer.kind === 'cidr').filter(({ byAddress }) => byAddress === true);
}

const holds = (prefix: Cidr, address: IpAddress): boolean => cidrContains(prefix, hostCidr(address));
