import { suggest } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { Entity } from '../model/entity.ts';
import { ENTITIES } from '../model/entity.ts';
import type { Peer, PeerSet } from '../model/rule.ts';
import { CLUSTER_KEY, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../model/special-labels.ts';
import type { CidrRuleSpec } from '../schema/cilium-rule.ts';
import { translateCidr, translateCidrPeer } from './cidr.ts';
import { translateLabelSelector } from './label-selector.ts';
import { equalsTerm, existsTerm, namesKey } from './requirement.ts';

/** The peer fields of one ingress or egress entry, named without their direction. */
export interface PeerFields {
  readonly endpoints: readonly LabelSelectorSpec[] | undefined;
  readonly entities: readonly string[] | undefined;
  readonly cidrs: readonly string[] | undefined;
  readonly cidrSet: readonly CidrRuleSpec[] | undefined;
}

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

/**
 * The peers of an entry. An absent field and an empty list differ: without any peer field a rule with ports is about
 * everybody, while an empty list selects nobody.
 */
export function translatePeers(fields: PeerFields, context: PeerContext, field: Field): PeerSet {
  const names = fieldNames(context.prefix);
  const present = [
    { name: names.endpoints, list: fields.endpoints },
    { name: names.entities, list: fields.entities },
    { name: names.cidrs, list: fields.cidrs },
    { name: names.cidrSet, list: fields.cidrSet },
  ].filter(({ list }) => list !== undefined);
  const [first, second] = present.filter(({ list }) => list!.length > 0);
  if (first !== undefined && second !== undefined) {
    const message = `${first.name} and ${second.name} cannot be combined in one rule`;
    field.child(second.name).report({ code: 'invalid-value', message, remedy: 'write one rule for each', point: 'key' });
  }
  const empty = present.find(({ list }) => list!.length === 0);
  if (empty !== undefined) return { kind: 'none', why: `${empty.name} is an empty list, which selects nobody` };
  if (present.length === 0) {
    return context.hasPorts ? { kind: 'any' } : { kind: 'none', why: 'the rule names neither peers nor ports' };
  }
  return { kind: 'peers', peers: listPeers(fields, names, context, field) };
}

function fieldNames(prefix: 'from' | 'to') {
  return { endpoints: `${prefix}Endpoints`, entities: `${prefix}Entities`, cidrs: `${prefix}CIDR`, cidrSet: `${prefix}CIDRSet` };
}

function listPeers(
  fields: PeerFields,
  names: ReturnType<typeof fieldNames>,
  context: PeerContext,
  field: Field): Peer[] {
  return [
    ...(fields.endpoints ?? []).map((spec, i) => labelsPeer(spec, context, field.child(names.endpoints, i))),
    ...(fields.entities ?? []).map((text, i) => entityPeer(text, field.child(names.entities, i))),
    ...(fields.cidrs ?? []).map((text, i) => bareCidrPeer(text, field.child(names.cidrs, i))),
    ...(fields.cidrSet ?? []).map((spec, i) => cidrSetPeer(spec, field.child(names.cidrSet, i))),
  ].filter((peer) => peer !== undefined);
}

/** Labels as written, limited to the policy's namespace unless the selector speaks of namespaces itself. */
function labelsPeer(spec: LabelSelectorSpec, context: PeerContext, field: Field): Peer {
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

function entityPeer(text: string, field: Field): Peer | undefined {
  if (text === 'kube-apiserver') {
    const message = 'the entity kube-apiserver cannot be enforced: this version does not know where the API server is';
    field.report({ code: 'unenforceable', message, remedy: 'list its addresses as CIDR' });
    return undefined;
  }
  if ((ENTITIES as readonly string[]).includes(text)) return { kind: 'entity', entity: text as Entity, at: field.at };
  const near = suggest(text, ENTITIES);
  const message = `${JSON.stringify(text)} is not an entity`;
  const remedy = near === undefined ? `use one of ${ENTITIES.join(', ')}` : `did you mean ${near}?`;
  field.report({ code: 'invalid-value', message, remedy });
  return undefined;
}

function bareCidrPeer(text: string, field: Field): Peer | undefined {
  const prefix = translateCidr(text, 'address-or-prefix', field);
  return prefix === undefined ? undefined : { kind: 'cidr', prefix, except: [], at: field.at };
}

function cidrSetPeer(spec: CidrRuleSpec, field: Field): Peer | undefined {
  if (spec.cidr !== undefined && spec.cidr !== '') return translateCidrPeer({ cidr: spec.cidr, except: spec.except }, field);
  field.child('cidr').report({ code: 'missing-field', message: 'the field cidr is missing', remedy: 'add it as a prefix' });
  return undefined;
}
