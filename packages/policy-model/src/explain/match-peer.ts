import type { LabelSet, Requirement } from '@cilium-ts/identity';
import { displayLabel, selector, selectorMatches, worldLabel } from '@cilium-ts/identity';
import type { Cidr } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import { ENTITY_RESERVED_LABELS } from '../model/entity.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrPeer, EntityPeer, FqdnPeer, LabelsPeer, Peer } from '../model/rule.ts';
import { CLUSTER_KEY } from '../model/special-labels.ts';

/** Whether a peer of a rule means these labels. */
export interface PeerMatch {
  readonly matches: boolean;
  /** False for peers that choose everybody. */
  readonly namesPeer: boolean;
  /** What matched or what did not. */
  readonly detail: string;
}

/**
 * Evaluates a peer straight from the rule. This deliberately shares nothing with the compiler's selectors for entities
 * and prefixes, so that either can be held against the other.
 */
export function matchPeer(peer: Peer, labels: LabelSet, options: PolicyOptions): PeerMatch {
  switch (peer.kind) {
    case 'labels':
      return matchLabels(peer, labels, options);
    case 'entity':
      return matchEntity(peer, labels, options);
    case 'cidr':
      return matchCidr(peer, labels, options);
    case 'fqdn':
      return matchFqdn(peer, labels);
    case 'cidr-group':
    case 'service':
    case 'group':
      return { matches: false, namesPeer: true, detail: 'nothing is known of the addresses behind it' };
  }
}

function matchLabels(peer: LabelsPeer, labels: LabelSet, options: PolicyOptions): PeerMatch {
  const terms: Requirement[] = [...peer.requirements];
  if (peer.localClusterByDefault && options.defaultLocalCluster) {
    terms.push({ source: 'k8s', key: CLUSTER_KEY, operator: 'In', values: [options.clusterName] });
  }
  const failed = terms.find((term) => !selectorMatches(selector([term]), labels));
  if (failed === undefined) {
    return { matches: true, namesPeer: terms.length > 0, detail: `labels ${selector(terms).text}` };
  }
  const actual = labels.get(failed.key);
  const found = actual === undefined ? 'has no such label' : `has ${displayLabel(actual)}`;
  return { matches: false, namesPeer: true, detail: `needs ${selector([failed]).text}, the peer ${found}` };
}

function matchEntity({ entity }: EntityPeer, labels: LabelSet, options: PolicyOptions): PeerMatch {
  if (entity === 'all') return { matches: true, namesPeer: false, detail: 'entity all' };
  const reserved = ENTITY_RESERVED_LABELS[entity].some((name) => labels.has('reserved', name));
  const cluster = labels.get(CLUSTER_KEY);
  const local = cluster?.source === 'k8s' && cluster.value === options.clusterName;
  const matches = reserved || (entity === 'cluster' && local);
  return { matches, namesPeer: true, detail: matches ? `entity ${entity}` : `the peer is not of the entity ${entity}` };
}

function matchCidr(peer: CidrPeer, labels: LabelSet, options: PolicyOptions): PeerMatch {
  if (!inPrefix(peer.prefix, labels, options)) {
    const detail = `the peer has no address label in ${peer.prefix.text}; pods and nodes never have`;
    return { matches: false, namesPeer: true, detail };
  }
  const exception = peer.except.find((prefix) => inPrefix(prefix, labels, options));
  if (exception !== undefined) return { matches: false, namesPeer: true, detail: `the peer is in the exception ${exception.text}` };
  return { matches: true, namesPeer: true, detail: `address in ${peer.prefix.text}` };
}

function matchFqdn(peer: FqdnPeer, labels: LabelSet): PeerMatch {
  const text = fqdnLabelKey(peer.selector);
  const matches = labels.has('fqdn', text);
  return { matches, namesPeer: true, detail: matches ? `a name that ${text} means led to the address` : `no name that ${text} means led to the peer's address` };
}

function inPrefix(prefix: Cidr, labels: LabelSet, options: PolicyOptions): boolean {
  if (prefix.prefixLength === 0) return labels.has('reserved', worldLabel(prefix.family, options).key);
  return labels.prefixes.some((inner) => cidrContains(prefix, inner));
}
