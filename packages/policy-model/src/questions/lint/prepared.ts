import type { Cidr } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import type { Requirement } from '@cilium-ts/identity';
import { cidrLabelKey, selectorMatches, worldLabel } from '@cilium-ts/identity';
import { ENTITY_RESERVED_LABELS } from '../../model/entity.ts';
import { fqdnLabelKey } from '../../model/fqdn.ts';
import type { ProxyRules } from '../../model/l7.ts';
import type { PolicyOptions } from '../../model/options.ts';
import { MAX_PORT } from '../../model/protocol.ts';
import type { PolicyResource } from '../../model/resource.ts';
import type { CidrPeer, Peer, PortTerm, Rule } from '../../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../../model/special-labels.ts';
import type { Terms } from './selector-logic.ts';
import { contradiction, implies } from './selector-logic.ts';

/** A peer of a rule as label terms: whoever meets all terms of one alternative is meant. */
export interface PreparedPeer {
  /** `undefined` for the peers of a rule that names none. */
  readonly peer: Peer | undefined;
  readonly alternatives: readonly Terms[];
}

/** The ports of a rule that share what a proxy checks. */
export interface RulePart {
  readonly proxy: ProxyRules | undefined;
  /** `undefined`: every protocol. */
  readonly ports: readonly PortTerm[] | undefined;
}

/** A rule in the form that the checks compare. */
export interface PreparedRule {
  readonly rule: Rule;
  readonly subject: Terms;
  readonly peers: readonly PreparedPeer[];
  readonly parts: readonly RulePart[];
  /** Place among the rules of all policies. */
  readonly index: number;
}

const term = (source: string, key: string, operator: Requirement['operator'] = 'Exists', values: readonly string[] = []): Requirement => ({ source, key, operator, values });

/** Brings rules into the form that the checks compare. */
export function prepareRules(resources: readonly PolicyResource[], options: PolicyOptions): PreparedRule[] {
  const groups = resources.filter(({ group }) => group !== undefined);
  return resources
    .flatMap(({ rules }) => rules)
    .filter(({ unlisted }) => !(options.strictNetworkPolicy === true && unlisted === true))
    .map((rule, index) => ({ rule, subject: rule.subject.requirements, peers: preparePeers(rule, groups, options), parts: partsOf(rule), index }));
}

function preparePeers(rule: Rule, groups: readonly PolicyResource[], options: PolicyOptions): PreparedPeer[] {
  if (rule.peers.kind === 'none') return [];
  if (rule.peers.kind === 'any') return [{ peer: undefined, alternatives: [[]] }];
  return rule.peers.peers.map((peer) => ({ peer, alternatives: alternativesOf(peer, groups, options) }));
}

function alternativesOf(peer: Peer, groups: readonly PolicyResource[], options: PolicyOptions): Terms[] {
  const world = ([4, 6] as const).map((family) => term('reserved', worldLabel(family, options).key));
  const outside = (own: Requirement): Terms[] => world.map((label) => [own, label]);
  switch (peer.kind) {
    case 'labels': {
      const cluster = peer.localClusterByDefault && options.defaultLocalCluster ? [term('k8s', CLUSTER_KEY, 'In', [options.clusterName])] : [];
      return [[...peer.requirements, ...cluster]];
    }
    case 'entity': {
      if (peer.entity === 'all') return [[]];
      const reserved: Terms[] = ENTITY_RESERVED_LABELS[peer.entity].map((key) => [term('reserved', key)]);
      return peer.entity === 'cluster' ? [...reserved, [term('k8s', CLUSTER_KEY, 'In', [options.clusterName])]] : reserved;
    }
    case 'cidr':
      return [prefixTerms(peer.prefix, peer.except, options), ...(choosesByAddress(peer, options) ? [[term('address', [peer.prefix, ...peer.except].map(({ text }) => text).join('-'))]] : [])];
    case 'cidr-group': {
      const known = groups.filter(({ name, group }) => ('name' in peer.group ? peer.group.name === name : selectorMatches(peer.group.selector, group!.labels)));
      const prefixes = known.flatMap(({ group }) => group!.prefixes);
      if (prefixes.length > 0) return prefixes.map((prefix) => prefixTerms(prefix, peer.except.filter((inner) => cidrContains(prefix, inner)), options));
      return outside(term('cidrgroup', 'name' in peer.group ? peer.group.name : peer.group.selector.text));
    }
    case 'fqdn':
      return outside(term('fqdn', fqdnLabelKey(peer.selector)));
    case 'group':
      return outside(term('group', peer.group));
    case 'service': {
      const { service } = peer;
      return [[term('service', 'name' in service ? `${service.namespace ?? '*'}/${service.name}` : `${service.namespace ?? ''}?${service.selector.text}`)]];
    }
  }
}

/** Whether the prefix means pods and nodes with such addresses too. */
export function choosesByAddress(peer: CidrPeer, options: PolicyOptions): boolean {
  return options.strictNetworkPolicy === true && peer.byAddress === true;
}

function prefixTerms(prefix: Cidr, except: CidrPeer['except'], options: PolicyOptions): Terms {
  const own = prefix.prefixLength === 0 ? [] : [term('cidr', cidrLabelKey(prefix))];
  const not = except.filter(({ prefixLength }) => prefixLength > 0).map((inner) => term('cidr', cidrLabelKey(inner), 'DoesNotExist'));
  return [term('reserved', worldLabel(prefix.family, options).key), ...own, ...not];
}

function partsOf({ ports }: Rule): RulePart[] {
  if (ports.kind === 'all') return [{ proxy: undefined, ports: undefined }];
  const byProxy = new Map<ProxyRules | undefined, PortTerm[]>();
  for (const port of ports.ports) byProxy.set(port.proxy, [...(byProxy.get(port.proxy) ?? []), port]);
  return Array.from(byProxy, ([proxy, list]) => ({ proxy, ports: list }));
}

/** Whether everybody whom a peer of `inner` means is meant by some peer of `outer`. */
export function peersCover(outer: PreparedRule, inner: PreparedRule): boolean {
  const theirs = outer.peers.flatMap(({ alternatives }) => alternatives);
  return inner.peers.every(({ alternatives }) => alternatives.every((terms) => theirs.some((wider) => implies(terms, wider))));
}

/** Whether `outer` has all ports of `inner`; `undefined` is every protocol. */
export function portsCover(outer: readonly PortTerm[] | undefined, inner: readonly PortTerm[] | undefined): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  return inner.every(({ protocol, first, last, name }) => {
    const same = outer.filter((port) => port.protocol === protocol);
    const all = same.some((port) => port.name === undefined && port.first === 0 && port.last === MAX_PORT);
    if (name !== undefined) return all || same.some((port) => port.name === name);
    return all || rangeCovered(same, first, last);
  });
}

function rangeCovered(ports: readonly PortTerm[], first: number, last: number): boolean {
  const ranges = ports.filter(({ name }) => name === undefined).sort((a, b) => a.first - b.first);
  let next = first;
  for (const range of ranges) {
    if (range.first > next) return false;
    if (range.last >= next) next = range.last + 1;
    if (next > last) return true;
  }
  return false;
}

/** Whether `outer` selects every endpoint that `inner` selects. */
export function subjectCovers(outer: PreparedRule, inner: PreparedRule): boolean {
  return outer.rule.subject.text === inner.rule.subject.text || implies(inner.subject, outer.subject);
}

/** Whether the rule means anybody at all. */
export function meansSomebody({ peers, parts }: PreparedRule): boolean {
  return parts.some(({ ports }) => ports === undefined || ports.length > 0) && peers.some(({ alternatives }) => alternatives.some((terms) => contradiction(terms) === undefined));
}

/** Whether the rule means everybody, the world included, whatever else it lists. */
export function meansEverybody({ peers }: PreparedRule): boolean {
  return peers.some(({ alternatives }) => alternatives.some((terms) => terms.length === 0));
}

/** Whether the terms mean the pods of any namespace, and nothing besides. */
export function isWholeCluster(terms: Terms): boolean {
  return terms.some(({ key, operator }) => key === NAMESPACE_KEY && operator === 'Exists') && terms.every(({ key, operator }) => (key === NAMESPACE_KEY && operator === 'Exists') || key === CLUSTER_KEY);
}

/** Whether a proxy refuses something by these rules. */
export function restricts(proxy: ProxyRules | undefined): proxy is ProxyRules {
  if (proxy === undefined) return false;
  if (proxy.serverNames !== undefined && proxy.serverNames.length > 0) return true;
  const { l7 } = proxy;
  if (l7 === undefined || l7.rules.length === 0) return false;
  switch (l7.kind) {
    case 'http':
      return !l7.rules.some((rule) => Object.values(rule).every((value) => value === undefined || (Array.isArray(value) && value.length === 0)));
    case 'kafka':
      return !l7.rules.some(({ apiKeys, apiVersion, clientId, topic }) => apiKeys.length === 0 && apiVersion === undefined && clientId === undefined && topic === undefined);
    case 'dns':
      return !l7.rules.some((rule) => 'pattern' in rule && /^\*+\.?$/.test(rule.pattern));
    case 'generic':
      return !l7.rules.some((rule) => Object.keys(rule).length === 0);
  }
}
