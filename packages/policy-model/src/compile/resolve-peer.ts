import type { Cidr } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import type { Requirement, Selector } from '@cilium-ts/identity';
import { cidrSelectorLabel, selector } from '@cilium-ts/identity';
import type { PolicyDirectory, ServiceEntry } from '../directory/directory.ts';
import { ENTITY_RESERVED_LABELS } from '../model/entity.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrGroupPeer, EntityPeer, LabelsPeer, Peer } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../model/special-labels.ts';
import { equalsTerm } from '../translate/requirement.ts';

/** What the selectors of a peer depend on. */
export type PeerOptions = Pick<PolicyOptions, 'clusterName' | 'defaultLocalCluster' | 'ipv4' | 'ipv6'>;

/** What peers refer to by name. */
export interface PeerReferences {
  readonly directory: Pick<PolicyDirectory, 'services' | 'group' | 'allAddresses'>;
  /** The prefixes of the CiliumCIDRGroup objects that a rule means. */
  groups(group: CidrGroupPeer['group']): readonly Cidr[];
}

/** Whether the selectors of a peer may change while the rule stays the same. */
export function dependsOnReferences({ kind }: Peer): boolean {
  return kind === 'cidr-group' || kind === 'service' || kind === 'group';
}

/** The selectors of a peer: it is chosen by any of them. One without requirements chooses everybody. */
export function resolvePeer(peer: Peer, options: PeerOptions, references: PeerReferences): readonly Selector[] {
  switch (peer.kind) {
    case 'labels':
      return [selector(labelTerms(peer, options))];
    case 'entity':
      return resolveEntity(peer, options);
    case 'cidr':
      return [prefixSelector(peer.prefix, peer.except, options)];
    case 'cidr-group':
      return resolveGroup(peer, references.groups(peer.group), options);
    case 'fqdn':
      return [selector([{ source: 'fqdn', key: fqdnLabelKey(peer.selector), operator: 'Exists', values: [] }])];
    case 'service':
      return references.directory.services(peer.service).flatMap((service) => resolveService(service, options));
    case 'group':
      return references.directory.group(peer.group).map((prefix) => prefixSelector(prefix, [], options));
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

/** An exception that holds all of a prefix leaves nothing of it; one beside it takes nothing away. */
function resolveGroup({ except }: CidrGroupPeer, prefixes: readonly Cidr[], options: PeerOptions): readonly Selector[] {
  return prefixes
    .filter((prefix) => !except.some((exception) => cidrContains(exception, prefix)))
    .map((prefix) => prefixSelector(prefix, except.filter((exception) => cidrContains(prefix, exception)), options));
}

/** The pods that a service selects, whatever their cluster says; without a selector, addresses outside. */
function resolveService({ namespace, selector: labels, prefixes }: ServiceEntry, options: PeerOptions): readonly Selector[] {
  if (labels === undefined) return prefixes.map((prefix) => prefixSelector(prefix, [], options));
  const terms = Object.entries(labels).map(([key, value]) => equalsTerm('k8s', key, value));
  return [selector([...terms, equalsTerm('k8s', NAMESPACE_KEY, namespace)])];
}

function prefixSelector(prefix: Cidr, except: readonly Cidr[], options: PeerOptions): Selector {
  return selector([prefixTerm(prefix, 'Exists', options), ...except.map((exception) => prefixTerm(exception, 'DoesNotExist', options))]);
}

/** A whole address family has no `cidr:` label; it is the world of that family. */
function prefixTerm(prefix: Cidr, operator: 'Exists' | 'DoesNotExist', options: PeerOptions): Requirement {
  const { source, key } = cidrSelectorLabel(prefix, options);
  return { source, key, operator, values: [] };
}
