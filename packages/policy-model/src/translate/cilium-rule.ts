import type { Requirement, Selector } from '@cilium-ts/identity';
import { selector } from '@cilium-ts/identity';
import type { Field } from '@cilium-ts/manifest';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { Direction, PortSet, Rule, RuleAction } from '../model/rule.ts';
import { NAMESPACE_KEY } from '../model/special-labels.ts';
import type { IcmpRuleSpec, PortRuleSpec } from '../schema/cilium-ports.ts';
import type { CiliumRuleSpec } from '../schema/cilium-rule.ts';
import type { PeerFields } from './cilium-peers.ts';
import { translatePeers } from './cilium-peers.ts';
import { translateIcmps } from './icmp.ts';
import { translateLabelSelector } from './label-selector.ts';
import { translateToPorts } from './ports.ts';
import { equalsTerm } from './requirement.ts';

/** The policy that a rule is in. */
export interface RuleOwner {
  readonly resource: string;
  readonly namespace: string | undefined;
}

interface Section {
  readonly field: 'ingress' | 'ingressDeny' | 'egress' | 'egressDeny';
  readonly direction: Direction;
  readonly action: RuleAction;
}

const SECTIONS: readonly Section[] = [
  { field: 'ingress', direction: 'ingress', action: 'allow' },
  { field: 'ingressDeny', direction: 'ingress', action: 'deny' },
  { field: 'egress', direction: 'egress', action: 'allow' },
  { field: 'egressDeny', direction: 'egress', action: 'deny' },
];

/** The entries of one `spec` of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy. */
export function translateCiliumRule(spec: CiliumRuleSpec, owner: RuleOwner, field: Field): readonly Rule[] {
  if (SECTIONS.every(({ field }) => (spec[field] ?? []).length === 0)) {
    const message = 'the rule has no entry in ingress, ingressDeny, egress or egressDeny';
    field.report({ code: 'missing-field', message, remedy: 'add one; ingress: [{}] denies everything coming in' });
  }
  if (spec.endpointSelector === undefined) {
    const message = 'the field endpointSelector is missing';
    field.report({ code: 'missing-field', message, remedy: 'add it; {} selects every pod that the policy can apply to' });
    return [];
  }
  warnIdleDefaultDeny(spec, field);
  const at = field.child('endpointSelector');
  const subject = subjectSelector(spec.endpointSelector, owner.namespace, at);
  const context = { owner, subject, ...(spec.description === undefined ? {} : { description: spec.description }) };
  return SECTIONS.flatMap((section) =>
    (spec[section.field] ?? []).map((entry, index) =>
      translateEntry(entry, section, { ...context, defaultDeny: defaultDeny(spec, section) }, field.child(section.field, index)),
    ),
  );
}

/** Unset means yes: the rule has an entry in the direction, or the question would not come up. */
function defaultDeny(spec: CiliumRuleSpec, section: Section): boolean {
  return spec.enableDefaultDeny?.[section.direction] ?? true;
}

function warnIdleDefaultDeny(spec: CiliumRuleSpec, field: Field): void {
  for (const direction of ['ingress', 'egress'] as const) {
    const entries = SECTIONS.filter((section) => section.direction === direction).flatMap(({ field }) => spec[field] ?? []);
    if (spec.enableDefaultDeny?.[direction] !== true || entries.length > 0) continue;
    field.child('enableDefaultDeny', direction).report({
      code: 'suspicious',
      severity: 'warning',
      message: `default deny is enabled for ${direction}, where the rule has no entry, and so has no effect`,
      remedy: `add ${direction}: [{}] to deny everything`,
      point: 'key',
    });
  }
}

/** The endpoints of a rule. A namespaced policy applies in its own namespace, whatever its selector says. */
function subjectSelector(spec: LabelSelectorSpec, namespace: string | undefined, field: Field): Selector {
  const written = translateLabelSelector(spec, 'cilium', field);
  if (namespace === undefined) return selector(written);
  const own = equalsTerm('k8s', NAMESPACE_KEY, namespace);
  const conflicting = written.filter((term) => term.key === NAMESPACE_KEY && excludes(term, namespace));
  if (conflicting.length > 0) {
    field.report({
      code: 'suspicious',
      severity: 'warning',
      message: `the selector names another namespace than the policy's own, ${namespace}, where alone the policy applies`,
      remedy: 'remove the namespace from the selector, or use a CiliumClusterwideNetworkPolicy',
      point: 'key',
    });
  }
  // Like Cilium: the policy's namespace replaces a plain match on the Kubernetes label; other terms stay and are ANDed.
  const plain = new Set(Object.keys(spec.matchLabels ?? {}));
  const replaced = (term: Requirement): boolean =>
    term.source === 'k8s' && term.key === NAMESPACE_KEY && term.operator === 'In' && plain.has(`k8s:${NAMESPACE_KEY}`) && term.values.length === 1 && term.values[0] === spec.matchLabels?.[`k8s:${NAMESPACE_KEY}`];
  return selector([...written.filter((term) => !replaced(term)), own]);
}

function excludes(term: Requirement, namespace: string): boolean {
  const listed = term.values.includes(namespace);
  if (term.operator === 'In') return !listed;
  return term.operator === 'NotIn' ? listed : term.operator === 'DoesNotExist';
}

interface EntryContext {
  readonly owner: RuleOwner;
  readonly subject: Selector;
  readonly defaultDeny: boolean;
  readonly description?: string;
}

/** The fields of all four kinds of entries, as far as they are enforced. */
interface EntrySpec {
  readonly fromEndpoints?: readonly LabelSelectorSpec[] | undefined;
  readonly fromEntities?: readonly string[] | undefined;
  readonly fromCIDR?: readonly string[] | undefined;
  readonly fromCIDRSet?: PeerFields['cidrSet'];
  readonly toEndpoints?: readonly LabelSelectorSpec[] | undefined;
  readonly toEntities?: readonly string[] | undefined;
  readonly toCIDR?: readonly string[] | undefined;
  readonly toCIDRSet?: PeerFields['cidrSet'];
  readonly toPorts?: readonly PortRuleSpec[] | undefined;
  readonly icmps?: readonly IcmpRuleSpec[] | undefined;
}

function translateEntry(entry: EntrySpec, section: Section, context: EntryContext, field: Field): Rule {
  const ports = translatePorts(entry, field);
  const { owner, subject } = context;
  const prefix = section.direction === 'ingress' ? 'from' : 'to';
  const peers = translatePeers(
    peerFields(entry, prefix),
    { prefix, namespace: owner.namespace, subjectIsInit: selectsInit(subject), hasPorts: ports.kind === 'ports' },
    field,
  );
  return {
    resource: owner.resource,
    direction: section.direction,
    action: section.action,
    subject,
    defaultDeny: context.defaultDeny,
    tier: 'normal',
    peers,
    ports,
    at: field.at,
    ...(context.description === undefined ? {} : { description: context.description }),
  };
}

function peerFields(entry: EntrySpec, prefix: 'from' | 'to'): PeerFields {
  return prefix === 'from'
    ? { endpoints: entry.fromEndpoints, entities: entry.fromEntities, cidrs: entry.fromCIDR, cidrSet: entry.fromCIDRSet }
    : { endpoints: entry.toEndpoints, entities: entry.toEntities, cidrs: entry.toCIDR, cidrSet: entry.toCIDRSet };
}

function selectsInit(subject: Selector): boolean {
  return subject.requirements.some(({ source, key }) => source === 'reserved' && key === 'init');
}

function translatePorts(entry: EntrySpec, field: Field): PortSet {
  const { toPorts = [], icmps = [] } = entry;
  if (toPorts.length > 0 && icmps.length > 0) {
    const message = 'icmps and toPorts cannot be combined in one rule';
    field.child('icmps').report({ code: 'invalid-value', message, remedy: 'write one rule for each', point: 'key' });
  }
  // Empty lists are the same as none here, unlike those of peers.
  if (toPorts.length === 0 && icmps.length === 0) return { kind: 'all' };
  const ports = translateToPorts(toPorts, field.child('toPorts'));
  return { kind: 'ports', ports: [...ports, ...translateIcmps(icmps, field.child('icmps'))] };
}
