import { selector } from '@cilium-ts/identity';
import type { Selector } from '@cilium-ts/identity';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { Entity } from '../model/entity.ts';
import { ENTITIES } from '../model/entity.ts';
import type { PolicyField } from '../model/issue.ts';
import { providerGroupKey } from '../model/provider-group.ts';
import type { Peer, PeerSet, ServiceReference } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../model/special-labels.ts';
import type { FqdnSpec } from '../schema/cilium-ports.ts';
import type { CidrRuleSpec, EntrySpec, GroupSpec, ServiceSpec } from '../schema/cilium-rule.ts';
import { translateCidr, translateCidrPeer, translateCidrs } from './cidr.ts';
import { translateFqdn } from './fqdn.ts';
import { translateLabelSelector } from './label-selector.ts';
import { didYouMean, missing, quote, refuse } from './report.ts';
import { equalsTerm, existsTerm, namesKey } from './requirement.ts';

/** What the peers of a rule depend on besides their own fields. */
export interface PeerContext {
  /** How the fields are called here: `from` or `to`. */
  readonly prefix: 'from' | 'to';
  /** Namespace of the policy; `undefined` for a cluster-wide one. */
  readonly namespace: string | undefined;
  /** Whether the rule's endpoints are chosen by `reserved:init`; such endpoints have no namespace. */
  readonly subjectIsInit: boolean;
  /** Whether the entry has ports or ICMP types. */
  readonly hasPorts: boolean;
}

/** Reads one member of a list of peers. The schema has seen to its type. */
type PeerReader = (item: never, field: PolicyField, context: PeerContext) => Peer | readonly Peer[] | undefined;

/** By what follows the prefix in the names of the fields. */
const READERS: Readonly<Record<string, PeerReader>> = {
  Endpoints: labelsPeer,
  Entities: entityPeer,
  CIDR: bareCidrPeer,
  CIDRSet: cidrSetPeer,
  Nodes: nodePeer,
  Groups: groupPeer,
  Services: servicePeers,
  FQDNs: fqdnPeer,
};

/**
 * The peers of an entry. An absent field and an empty list differ: without any peer field a rule with ports is about
 * everybody, while an empty list selects nobody.
 */
export function translatePeers(entry: EntrySpec, context: PeerContext, field: PolicyField): PeerSet {
  const present = Object.entries(READERS).flatMap(([suffix, read]) => {
    const name = `${context.prefix}${suffix}` as const;
    const list = entry[name] as readonly never[] | undefined;
    return list === undefined ? [] : [{ name, list, read }];
  });
  const [first, second] = present.filter(({ list }) => list.length > 0);
  if (second !== undefined) refuse(field.child(second.name), `${first!.name} and ${second.name} cannot be combined in one rule`, 'write one rule for each', 'key');
  const empty = present.find(({ list }) => list.length === 0);
  if (empty !== undefined) return { kind: 'none', why: `${empty.name} is an empty list, which selects nobody` };
  if (present.length === 0) {
    return context.hasPorts ? { kind: 'any' } : { kind: 'none', why: 'the rule names neither peers nor ports' };
  }
  const peers = present.flatMap(({ name, list, read }) => list.flatMap((item, index) => read(item, field.child(name, index), context)));
  return { kind: 'peers', peers: peers.filter((peer) => peer !== undefined) };
}

/** Labels as written, limited to the policy's namespace unless the selector speaks of namespaces itself. */
function labelsPeer(spec: LabelSelectorSpec, field: PolicyField, context: PeerContext): Peer {
  const requirements = [...translateLabelSelector(spec, 'cilium', field)];
  const at = field.at;
  // Reserved identities have neither namespace nor cluster: a term for either would never match.
  if (requirements.some(({ source }) => source === 'reserved')) {
    return { kind: 'labels', requirements, localClusterByDefault: false, at };
  }
  const localClusterByDefault = !namesKey(requirements, (key) => key === CLUSTER_KEY);
  if (!namesKey(requirements, (key) => key === NAMESPACE_KEY)) {
    if (context.namespace === undefined) {
      if (!context.subjectIsInit) requirements.push(existsTerm('k8s', NAMESPACE_KEY));
    } else if (!namesKey(requirements, (key) => key.startsWith(NAMESPACE_LABELS_PREFIX))) {
      requirements.push(equalsTerm('k8s', NAMESPACE_KEY, context.namespace));
    }
  }
  return { kind: 'labels', requirements, localClusterByDefault, at };
}

/** Other nodes; this one is the entity `host`. */
function nodePeer(spec: LabelSelectorSpec, field: PolicyField): Peer {
  const terms = translateLabelSelector(spec, 'cilium', field);
  const localClusterByDefault = !namesKey(terms, (key) => key === CLUSTER_KEY);
  return { kind: 'labels', requirements: [...terms, existsTerm('reserved', 'remote-node')], localClusterByDefault, nodes: true, at: field.at };
}

function entityPeer(text: string, field: PolicyField): Peer | undefined {
  if ((ENTITIES as readonly string[]).includes(text)) return { kind: 'entity', entity: text as Entity, at: field.at };
  return refuse(field, `${quote(text)} is not an entity`, didYouMean(text, ENTITIES, `use one of ${ENTITIES.join(', ')}`));
}

function bareCidrPeer(text: string, field: PolicyField): Peer | undefined {
  const prefix = translateCidr(text, 'address-or-prefix', field);
  return prefix && { kind: 'cidr', prefix, except: [], at: field.at };
}

function cidrSetPeer({ cidr, cidrGroupRef, cidrGroupSelector, except }: CidrRuleSpec, field: PolicyField): Peer | undefined {
  if (cidr !== undefined) return translateCidrPeer({ cidr, except }, field);
  const group = cidrGroupSelector === undefined ? { name: cidrGroupRef ?? '' } : { selector: anySource(cidrGroupSelector, field.child('cidrGroupSelector')) };
  return { kind: 'cidr-group', group, except: translateCidrs(except, field.child('except')), at: field.at };
}

/** A selector of things whose labels have no source that would matter. */
function anySource(spec: LabelSelectorSpec, field: PolicyField): Selector {
  return selector(translateLabelSelector(spec, 'cilium', field).map((term) => ({ ...term, source: 'any' })));
}

function groupPeer(group: GroupSpec, field: PolicyField): Peer {
  return { kind: 'group', group: providerGroupKey(group), at: field.at };
}

function servicePeers({ k8sService, k8sServiceSelector }: ServiceSpec, field: PolicyField): readonly Peer[] {
  const services: ServiceReference[] = [];
  if (k8sService !== undefined) {
    const { serviceName: name = '', namespace } = k8sService;
    if (name === '') missing(field.child('k8sService', 'serviceName'), 'the field serviceName is missing', 'add the name of the service');
    services.push({ name, ...(namespace && { namespace }) });
  }
  if (k8sServiceSelector !== undefined) {
    const { selector: spec, namespace } = k8sServiceSelector;
    services.push({ selector: anySource(spec, field.child('k8sServiceSelector', 'selector')), ...(namespace && { namespace }) });
  }
  if (services.length === 0) missing(field, 'neither k8sService nor k8sServiceSelector is given', 'add one of them');
  return services.map((service) => ({ kind: 'service', service, at: field.at }));
}

function fqdnPeer(spec: FqdnSpec, field: PolicyField): Peer | undefined {
  const names = translateFqdn(spec, field);
  return names && { kind: 'fqdn', selector: names, at: field.at };
}
