import type { Requirement, Selector } from '@cilium-ts/identity';
import { cidrSelectorLabel, selector } from '@cilium-ts/identity';
import type { Cidr } from '@cilium-ts/core';
import { ENTITY_RESERVED_LABELS } from '../model/entity.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { EntityPeer, LabelsPeer, Peer } from '../model/rule.ts';
import { CLUSTER_KEY } from '../model/special-labels.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import { equalsTerm } from '../translate/requirement.ts';

/** What the selectors of a peer depend on. */
export type PeerOptions = Pick<PolicyOptions, 'clusterName' | 'defaultLocalCluster' | 'ipv4' | 'ipv6'>;

/** The selectors of a peer: it is chosen by any of them. One without requirements chooses everybody. */
export function resolvePeer(peer: Peer, options: PeerOptions): readonly Selector[] {
  switch (peer.kind) {
    case 'labels':
      return [selector(labelTerms(peer, options))];
    case 'entity':
      return resolveEntity(peer, options);
    case 'cidr':
      return [
        selector([
          prefixTerm(peer.prefix, 'Exists', options),
          ...peer.except.map((prefix) => prefixTerm(prefix, 'DoesNotExist', options)),
        ]),
      ];
    case 'fqdn':
      return [selector([{ source: 'fqdn', key: fqdnLabelKey(peer.selector), operator: 'Exists', values: [] }])];
    case 'cidr-group':
    case 'service':
    case 'group':
      return []; // nobody, while nothing is known of them
  }
}

function labelTerms(peer: LabelsPeer, options: PeerOptions): readonly Requirement[] {
  if (!peer.localClusterByDefault || !options.defaultLocalCluster) return peer.requirements;
  return [...peer.requirements, equalsTerm('k8s', CLUSTER_KEY, options.clusterName)];
}

function resolveEntity({ entity }: EntityPeer, options: PeerOptions): readonly Selector[] {
  if (entity === 'all') return [selector([])];
  const reserved = ENTITY_RESERVED_LABELS[entity].map((name) => selector([equalsTerm('reserved', name, '')]));
  if (entity !== 'cluster') return reserved;
  return [...reserved, selector([equalsTerm('k8s', CLUSTER_KEY, options.clusterName)])];
}

/** A whole address family has no `cidr:` label; it is the world of that family. */
function prefixTerm(prefix: Cidr, operator: 'Exists' | 'DoesNotExist', options: PeerOptions): Requirement {
  const { source, key } = cidrSelectorLabel(prefix, options);
  return { source, key, operator, values: [] };
}
