import { anyHeld } from './address.ts';
import type { Context, Side } from './entry.ts';
import { nameMatches } from './layer7.ts';
import { CLUSTER, NAMESPACE, NAMESPACE_LABELS, clusterTerm, equals, exists, has, labelsOf, matchesAll, mentions, termsOf } from './selectors.ts';
import type { Json, Party, SimService } from './tables.ts';

/** The policy that an entry is in, as far as its peers depend on it. */
export interface CiliumOwner {
  readonly side: Side;
  readonly namespace: string | undefined;
  readonly selectsInit: boolean;
}

/** Whether a peer is among those that an entry of a Cilium policy names. */
export function ciliumPeerMatches(entry: Json, owner: CiliumOwner, peer: Party, context: Context): boolean {
  const prefix = owner.side === 'ingress' ? 'from' : 'to';
  const field = (name: string): Json[] | undefined => entry[`${prefix}${name}`];
  const lists: [Json[] | undefined, (item: Json) => boolean][] = [
    [field('Endpoints'), (item) => endpointMatches(item, owner, peer, context)],
    [field('Entities'), (item) => entityMatches(item, peer, context)],
    [field('CIDR'), (item) => outside(peer) && anyHeld([item], [], peer.addresses)],
    [field('CIDRSet'), (item) => outside(peer) && cidrSetHolds(item, peer, context)],
    [field('Nodes'), (item) => nodeMatches(item, peer, context)],
    [field('Groups'), (item) => outside(peer) && groupHolds(item, peer, context)],
    [field('Services'), (item) => serviceMatches(item, peer, context)],
    [field('FQDNs'), (item) => outside(peer) && resolved(item, peer, context)],
  ];
  const given = lists.filter(([list]) => list !== undefined);
  if (given.some(([list]) => list!.length === 0)) return false;
  if (given.length === 0) return (entry.toPorts ?? []).length + (entry.icmps ?? []).length > 0;
  return given.some(([list, matches]) => list!.some(matches));
}

const outside = (peer: Party): boolean => peer.where === 'outside';

function endpointMatches(spec: Json, owner: CiliumOwner, peer: Party, { options }: Context): boolean {
  const terms = termsOf(spec, 'cilium');
  if (terms.some(({ source }) => source === 'reserved')) return matchesAll(terms, peer, options);
  const cluster = clusterTerm(terms, options);
  if (!mentions(terms, (key) => key === NAMESPACE)) {
    if (owner.namespace === undefined) {
      if (!owner.selectsInit) terms.push(exists('k8s', NAMESPACE));
    } else if (!mentions(terms, (key) => key.startsWith(NAMESPACE_LABELS))) {
      terms.push(equals('k8s', NAMESPACE, owner.namespace));
    }
  }
  return matchesAll([...terms, ...cluster], peer, options);
}

const RESERVED: Readonly<Record<string, readonly string[]>> = {
  world: ['world', 'world-ipv4', 'world-ipv6'],
  cluster: ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'],
};

export function entityMatches(entity: string, peer: Party, { options }: Context): boolean {
  if (entity === 'all') return true;
  if (entity === 'none') return false;
  if ((RESERVED[entity] ?? [entity]).some((name) => has(peer, 'reserved', name, options))) return true;
  return entity === 'cluster' && matchesAll([equals('k8s', CLUSTER, options.clusterName)], peer, options);
}

function cidrSetHolds(item: Json, peer: Party, context: Context): boolean {
  const except: string[] = item.except ?? [];
  if (item.cidr !== undefined) return anyHeld([item.cidr], except, peer.addresses);
  const groups = context.documents.filter(({ kind, metadata }) => {
    if (kind !== 'CiliumCIDRGroup') return false;
    if (item.cidrGroupRef !== undefined) return metadata.name === item.cidrGroupRef;
    const labels = Object.entries<string>(metadata.labels ?? {}).map(([key, value]) => `k8s:${key}=${value}`);
    const terms = termsOf(item.cidrGroupSelector, 'cilium').map((term) => ({ ...term, source: 'any' }));
    return matchesAll(terms, { name: metadata.name, where: 'inside', labels, addresses: [] }, context.options);
  });
  return groups.some(({ spec }) => anyHeld(spec.externalCIDRs, except, peer.addresses));
}

function nodeMatches(spec: Json, peer: Party, { options }: Context): boolean {
  const terms = termsOf(spec, 'cilium');
  return matchesAll([...terms, exists('reserved', 'remote-node'), ...clusterTerm(terms, options)], peer, options);
}

function groupHolds(group: Json, peer: Party, context: Context): boolean {
  const known = context.tables.groups.find((entry) => JSON.stringify(entry.group) === JSON.stringify(group));
  return anyHeld(known?.prefixes ?? [], [], peer.addresses);
}

function serviceMatches({ k8sService, k8sServiceSelector }: Json, peer: Party, context: Context): boolean {
  const wanted = (service: SimService): boolean => {
    if (k8sService !== undefined) {
      return service.name === k8sService.serviceName && (k8sService.namespace === undefined || service.namespace === k8sService.namespace);
    }
    const { selector, namespace } = k8sServiceSelector;
    const labels = Object.entries(service.labels).map(([key, value]) => `k8s:${key}=${value}`);
    const terms = termsOf(selector, 'cilium').map((term) => ({ ...term, source: 'any' }));
    return (namespace === undefined || namespace === service.namespace) && matchesAll(terms, { name: service.name, where: 'inside', labels, addresses: [] }, context.options);
  };
  return context.tables.services.filter(wanted).some((service) => isBackend(service, peer, context));
}

function isBackend({ namespace, selector, addresses = [] }: SimService, peer: Party, context: Context): boolean {
  if (selector === undefined) return outside(peer) && anyHeld(addresses, [], peer.addresses);
  const labels = labelsOf(peer, context.options);
  const is = (key: string, value: string): boolean => labels.get(key)?.source === 'k8s' && labels.get(key)?.value === value;
  return is(NAMESPACE, namespace) && Object.entries(selector).every(([key, value]) => is(key, value));
}

function resolved({ matchName, matchPattern }: Json, peer: Party, { tables }: Context): boolean {
  return tables.names.some(({ name, addresses }) => nameMatches({ matchName, matchPattern }, name) && addresses.some((address) => peer.addresses.includes(address)));
}
