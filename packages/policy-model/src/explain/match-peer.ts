import type { Cidr, IpAddress } from '@cilium-ts/core';
import { cidrContains, hostCidr } from '@cilium-ts/core';
import type { LabelSet, NumericIdentity, Requirement, Selector } from '@cilium-ts/identity';
import { displayLabel, selector, selectorMatches, worldLabel } from '@cilium-ts/identity';
import { ENTITY_RESERVED_LABELS } from '../model/entity.ts';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { CidrGroupPeer, CidrPeer, EntityPeer, GroupPeer, LabelsPeer, Peer, Rule, ServicePeer } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../model/special-labels.ts';
import type { KnownService, PolicySource } from './policy-source.ts';
import { ruleIndex } from './rule-index.ts';

/** Whether a peer of a rule means these labels. */
export interface PeerMatch {
  readonly matches: boolean;
  /** False for peers that choose everybody. */
  readonly namesPeer: boolean;
  /** What matched or what did not, where that may change while somebody holds the explanation. */
  readonly detail?: () => string;
}

const NAMED: PeerMatch = { matches: true, namesPeer: true };
const EVERYBODY: PeerMatch = { matches: true, namesPeer: false };
/** Somebody else, for reasons that {@link describePeer} finds again. */
export const OTHER: PeerMatch = { matches: false, namesPeer: true };

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
export function matchPeer(peer: Peer, context: PeerContext, rule: Rule): PeerMatch {
  switch (peer.kind) {
    case 'labels':
      return matchLabels(peer, context);
    case 'entity':
      return peer.entity === 'all' ? EVERYBODY : isOfEntity(peer, context) ? NAMED : OTHER;
    case 'cidr':
      return matchCidr(peer, context, rule);
    case 'fqdn':
      return context.labels.has('fqdn', fqdnLabelKey(peer.selector)) ? NAMED : OTHER;
    case 'cidr-group':
      return matchCidrGroup(peer, context);
    case 'service':
      return matchService(peer, context);
    case 'group':
      return matchGroup(peer, context);
  }
}

/** What made the peer match, or what was in the way. */
export function describePeer(peer: Peer, match: PeerMatch, context: PeerContext): string {
  if (match.detail !== undefined) return match.detail();
  if (peer.kind === 'labels') return describeLabelsPeer(peer, match, context);
  if (peer.kind === 'entity') return match.matches ? `entity ${peer.entity}` : `the peer is not of the entity ${peer.entity}`;
  if (peer.kind === 'fqdn') {
    const text = fqdnLabelKey(peer.selector);
    return match.matches ? `an address that ${text} resolved to` : `no name that ${text} means led to the peer's address`;
  }
  if (peer.kind !== 'cidr') return peer.kind;
  if (match.matches) return `address in ${peer.prefix.text}`;
  const exception = inPrefix(peer.prefix, context) ? exceptionFor(peer.except, context) : undefined;
  return exception === undefined ? `the peer has no address label in ${peer.prefix.text}; pods and nodes never have` : inException(exception);
}

/** Peers are immutable: a selector made of one never grows old. */
const selectors = new WeakMap<LabelsPeer, Selector>();

function selectorOf(peer: LabelsPeer): Selector {
  let wanted = selectors.get(peer);
  if (wanted === undefined) selectors.set(peer, (wanted = selector(peer.requirements)));
  return wanted;
}

function matchLabels(peer: LabelsPeer, { labels, options }: PeerContext): PeerMatch {
  const local = peer.localClusterByDefault && options.defaultLocalCluster;
  if (local && !isLocal(labels, options)) return OTHER;
  if (!selectorMatches(selectorOf(peer), labels)) return OTHER;
  return local || peer.requirements.length > 0 ? NAMED : EVERYBODY;
}

function isLocal(labels: LabelSet, { clusterName }: PolicyOptions): boolean {
  const cluster = labels.get(CLUSTER_KEY);
  return cluster?.source === 'k8s' && cluster.value === clusterName;
}

function describeLabelsPeer(peer: LabelsPeer, { matches, namesPeer }: PeerMatch, { labels, options }: PeerContext): string {
  if (matches) return namesPeer ? describeTerms(peer.requirements) : 'every peer';
  const failed = selectorOf(peer).requirements.find((term) => !selectorMatches(selector([term]), labels));
  if (failed === undefined) return `is limited to the cluster ${options.clusterName}; the peer ${found(labels, CLUSTER_KEY)}`;
  const wanted = describeTerms([failed]).replace(/^labels |^any pod(?= )/, '').replace('any pod', 'a pod').trim();
  return `needs ${wanted}; the peer ${found(labels, failed.key)}`;
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

function isOfEntity({ entity }: EntityPeer, { labels, options }: PeerContext): boolean {
  return ENTITY_RESERVED_LABELS[entity].some((name) => labels.has('reserved', name)) || (entity === 'cluster' && isLocal(labels, options));
}

function matchCidr(peer: CidrPeer, context: PeerContext, rule: Rule): PeerMatch {
  const { prefix, except } = peer;
  if (context.options.strictNetworkPolicy === true && peer.byAddress === true && context.id !== undefined) {
    const addresses = context.source.directory?.addresses?.(context.id) ?? [];
    const here = addresses.filter((address) => means(peer, address));
    // An identity is let in where all of its addresses are, by this block or by others of the rule.
    const blocks = rule.peers.kind === 'peers' ? rule.peers.peers.filter((one) => one.kind === 'cidr') : [];
    const missed = rule.action === 'deny' ? undefined : addresses.find((address) => !blocks.some((block) => means(block, address)));
    if (here.length > 0) return told(missed === undefined, () => (missed === undefined ? `address ${here[0]!.text} in ${prefix.text}` : `the peer is also at ${missed.text}, outside of the blocks`));
  }
  return inPrefix(prefix, context) && exceptionFor(except, context) === undefined ? NAMED : OTHER;
}

function exceptionFor(except: readonly Cidr[], context: PeerContext): Cidr | undefined {
  return except.find((prefix) => inPrefix(prefix, context));
}

const inException = (exception: Cidr): string => `the peer is in the exception ${exception.text}`;
const told = (matches: boolean, detail: () => string): PeerMatch => ({ matches, namesPeer: true, detail });

function matchCidrGroup({ group, except }: CidrGroupPeer, context: PeerContext): PeerMatch {
  const name = 'name' in group ? group.name : group.selector.text;
  const prefixes = ruleIndex(context.source).groupPrefixes(group);
  if (prefixes.length === 0) return told(false, () => `no CIDR group ${name} is known, or it is empty`);
  const prefix = prefixes.find((one) => inPrefix(one, context));
  if (prefix === undefined) return told(false, () => `the peer has no address label in the CIDR group ${name}; pods and nodes never have`);
  const exception = exceptionFor(except, context);
  return exception === undefined ? told(true, () => `address in ${prefix.text} of the CIDR group ${name}`) : told(false, () => inException(exception));
}

function matchGroup({ group }: GroupPeer, context: PeerContext): PeerMatch {
  const prefixes = context.source.directory?.group(group) ?? [];
  if (prefixes.length === 0) return told(false, () => `nothing is known of the addresses of the group ${group}`);
  const prefix = prefixes.find((one) => inPrefix(one, context));
  return told(prefix !== undefined, () => (prefix === undefined ? `no address of the group ${group}` : `address in ${prefix.text} of the group ${group}`));
}

function matchService({ service }: ServicePeer, context: PeerContext): PeerMatch {
  const known = context.source.directory?.services(service) ?? [];
  const backed = known.find((one) => isBackend(one, context));
  if (backed !== undefined) return told(true, () => `a backend of the service ${backed.namespace}/${backed.name}`);
  const unknown = known.length === 0;
  return told(false, () => {
    const written = 'name' in service ? `${service.namespace === undefined ? '' : `${service.namespace}/`}${service.name}` : `with ${service.selector.text}${service.namespace === undefined ? '' : ` in ${service.namespace}`}`;
    return unknown ? `no service ${written} is known` : `the peer is no backend of the service ${written}`;
  });
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

function means({ prefix, except }: CidrPeer, address: IpAddress): boolean {
  const within = (one: Cidr): boolean => cidrContains(one, hostCidr(address));
  return within(prefix) && !except.some(within);
}

function inPrefix(prefix: Cidr, { labels, options }: PeerContext): boolean {
  if (prefix.prefixLength === 0) return labels.has('reserved', worldLabel(prefix.family, options).key);
  return labels.prefixes.some((inner) => cidrContains(prefix, inner));
}
