import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { LabelSet, NumericIdentity, Requirement, Selector } from '@cilium-ts/identity';
import { displayLabel, selector, selectorMatches, worldLabel } from '@cilium-ts/identity';
import { ENTITY_RESERVED_LABELS } from '../model/entity.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrGroupPeer, CidrPeer, EntityPeer, LabelsPeer, Peer, RuleAction, ServicePeer } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../model/special-labels.ts';
import type { KnownService, PolicySource } from './policy-source.ts';
import { ruleIndex } from './rule-index.ts';

/** Whether a peer of a rule means these labels. */
export interface PeerMatch {
  readonly matches: boolean;
  /** False for peers that choose everybody. */
  readonly namesPeer: boolean;
  /** What matched or what did not: made when somebody reads it. */
  readonly detail: () => string;
}

/** Whom a peer is held against. */
export interface PeerContext {
  readonly labels: LabelSet;
  readonly id?: NumericIdentity;
  readonly source: PolicySource;
  readonly options: PolicyOptions;
}

/**
 * Evaluates a peer straight from the rule. This deliberately shares nothing with the compiler's selectors, so that
 * either can be held against the other.
 */
export function matchPeer(peer: Peer, context: PeerContext, action: RuleAction): PeerMatch {
  switch (peer.kind) {
    case 'labels':
      return matchLabels(peer, context);
    case 'entity':
      return matchEntity(peer, context);
    case 'cidr':
      return matchCidr(peer, context, action);
    case 'cidr-group':
      return matchCidrGroup(peer, context);
    case 'fqdn': {
      const text = fqdnLabelKey(peer.selector);
      const matches = context.labels.has('fqdn', text);
      return named(matches, () => (matches ? `an address that ${text} resolved to` : `no name that ${text} means led to the peer's address`));
    }
    case 'service':
      return matchService(peer, context);
    case 'group': {
      const prefixes = context.source.directory?.group(peer.group) ?? [];
      if (prefixes.length === 0) return named(false, () => `nothing is known of the addresses of the group ${peer.group}`);
      const prefix = prefixes.find((one) => inPrefix(one, context));
      return named(prefix !== undefined, () => (prefix === undefined ? `no address of the group ${peer.group}` : `address in ${prefix.text} of the group ${peer.group}`));
    }
  }
}

const named = (matches: boolean, detail: () => string): PeerMatch => ({ matches, namesPeer: true, detail });

/** Peers are immutable: a selector made of one never grows old. */
const selectors = new WeakMap<LabelsPeer, Selector>();

function matchLabels(peer: LabelsPeer, { labels, options }: PeerContext): PeerMatch {
  let wanted = selectors.get(peer);
  if (wanted === undefined) selectors.set(peer, (wanted = selector(peer.requirements)));
  const local = peer.localClusterByDefault && options.defaultLocalCluster;
  const cluster = local ? labels.get(CLUSTER_KEY) : undefined;
  const elsewhere = local && (cluster?.source !== 'k8s' || cluster.value !== options.clusterName);
  const matches = !elsewhere && selectorMatches(wanted, labels);
  const namesPeer = local || peer.requirements.length > 0;
  if (matches) return { matches, namesPeer, detail: () => (namesPeer ? describeTerms(peer.requirements) : 'every peer') };
  return {
    matches,
    namesPeer,
    detail: () => {
      const failed = wanted.requirements.find((term) => !selectorMatches(selector([term]), labels));
      if (failed === undefined) return `is limited to the cluster ${options.clusterName}; the peer ${found(labels, CLUSTER_KEY)}`;
      return `needs ${describeTerms([failed]).replace(/^labels |^any pod(?= )/, '').replace('any pod', 'a pod').trim()}; the peer ${found(labels, failed.key)}`;
    },
  };
}

/** `app=web in shop`: the terms as people would say them, without what every pod of the cluster has. */
function describeTerms(requirements: readonly Requirement[]): string {
  const own = requirements.filter(({ key }) => key !== CLUSTER_KEY);
  const namespace = own.find(({ key, operator, values }) => key === NAMESPACE_KEY && operator === 'In' && values.length === 1);
  const rest = own.filter((term) => term !== namespace && !(term.key === NAMESPACE_KEY && term.operator === 'Exists'));
  const terms = rest.map((term) => selector([term]).text.replace(/^(!?)(?:any|k8s):/, '$1')).join(', ');
  return `${terms === '' ? 'any pod' : `labels ${terms}`}${namespace === undefined ? '' : ` in ${namespace.values[0]}`}`;
}

function found(labels: LabelSet, key: string): string {
  const label = labels.get(key);
  return label === undefined ? 'has no such label' : `has ${displayLabel(label)}`;
}

function matchEntity({ entity }: EntityPeer, { labels, options }: PeerContext): PeerMatch {
  if (entity === 'all') return { matches: true, namesPeer: false, detail: () => 'entity all' };
  const reserved = ENTITY_RESERVED_LABELS[entity].some((name) => labels.has('reserved', name));
  const cluster = labels.get(CLUSTER_KEY);
  const local = cluster?.source === 'k8s' && cluster.value === options.clusterName;
  const matches = reserved || (entity === 'cluster' && local);
  return named(matches, () => (matches ? `entity ${entity}` : `the peer is not of the entity ${entity}`));
}

function matchCidr(peer: CidrPeer, context: PeerContext, action: RuleAction): PeerMatch {
  const { prefix, except } = peer;
  if (context.options.strictNetworkPolicy === true && peer.byAddress === true && context.id !== undefined) {
    const addresses = context.source.directory?.addresses?.(context.id) ?? [];
    const meant = addresses.filter((address) => within(prefix, address) && !except.some((exception) => within(exception, address)));
    const matches = meant.length > 0 && (action === 'deny' || meant.length === addresses.length);
    if (matches || meant.length > 0) return named(matches, () => `${meant.length} of the peer's ${addresses.length} addresses in ${prefix.text}`);
  }
  if (!inPrefix(prefix, context)) return named(false, () => `the peer has no address label in ${prefix.text}; pods and nodes never have`);
  return named(...withoutExceptions(except, context, () => `address in ${prefix.text}`));
}

function matchCidrGroup({ group, except }: CidrGroupPeer, context: PeerContext): PeerMatch {
  const name = 'name' in group ? group.name : group.selector.text;
  const prefixes = ruleIndex(context.source).groupPrefixes(group);
  if (prefixes.length === 0) return named(false, () => `no CIDR group ${name} is known, or it is empty`);
  const prefix = prefixes.find((one) => inPrefix(one, context));
  if (prefix === undefined) return named(false, () => `the peer has no address label in the CIDR group ${name}; pods and nodes never have`);
  return named(...withoutExceptions(except, context, () => `address in ${prefix.text} of the CIDR group ${name}`));
}

function withoutExceptions(except: readonly Cidr[], context: PeerContext, detail: () => string): [boolean, () => string] {
  const exception = except.find((prefix) => inPrefix(prefix, context));
  return exception === undefined ? [true, detail] : [false, () => `the peer is in the exception ${exception.text}`];
}

function matchService({ service }: ServicePeer, context: PeerContext): PeerMatch {
  const written = 'name' in service ? `${service.namespace}/${service.name}` : `with ${service.selector.text}${service.namespace === undefined ? '' : ` in ${service.namespace}`}`;
  const known = context.source.directory?.services(service) ?? [];
  if (known.length === 0) return named(false, () => `no service ${written} is known`);
  const backed = known.find((one) => isBackend(one, context));
  return named(backed !== undefined, () => (backed === undefined ? `the peer is no backend of the service ${written}` : `a backend of the service ${backed.namespace}/${backed.name}`));
}

/** Pods by the service's selector in its namespace; without one, addresses outside. */
export function isBackend({ namespace, selector: wanted, prefixes }: KnownService, context: PeerContext): boolean {
  if (wanted === undefined) return prefixes.some((prefix) => inPrefix(prefix, context));
  const has = (key: string, value: string): boolean => {
    const label = context.labels.get(key);
    return label?.source === 'k8s' && label.value === value;
  };
  return has(NAMESPACE_KEY, namespace) && Object.entries(wanted).every(([key, value]) => has(key, value));
}

const within = (prefix: Cidr, address: IpAddress): boolean => cidrContains(prefix, hostCidr(address));

function inPrefix(prefix: Cidr, { labels, options }: PeerContext): boolean {
  if (prefix.prefixLength === 0) return labels.has('reserved', worldLabel(prefix.family, options).key);
  return labels.prefixes.some((inner) => cidrContains(prefix, inner));
}
