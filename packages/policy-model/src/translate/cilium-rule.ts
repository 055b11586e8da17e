import type { Requirement, Selector } from '@cilium-ts/identity';
import { selector } from '@cilium-ts/identity';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { PolicyField } from '../model/issue.ts';
import type { Direction, PortSet, Rule, RuleAction } from '../model/rule.ts';
import { NAMESPACE_KEY } from '../model/special-labels.ts';
import type { CiliumRuleSpec, EntrySpec } from '../schema/cilium-rule.ts';
import { translatePeers } from './cilium-peers.ts';
import { translateIcmps } from './icmp.ts';
import { translateLabelSelector } from './label-selector.ts';
import { translateToPorts } from './ports.ts';
import { missing, refuse, suspect } from './report.ts';
import { equalsTerm, existsTerm } from './requirement.ts';

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
export function translateCiliumRule(spec: CiliumRuleSpec, owner: RuleOwner, field: PolicyField): readonly Rule[] {
  if (SECTIONS.every(({ field }) => (spec[field] ?? []).length === 0)) {
    missing(field, 'the rule has no entry in ingress, ingressDeny, egress or egressDeny', 'add one; ingress: [{}] denies everything coming in');
  }
  const subject = subjectOf(spec, owner.namespace, field);
  if (subject === undefined) return [];
  warnIdleDefaultDeny(spec, field);
  const { description, log, labels = [] } = spec;
  const more = {
    ...(description === undefined ? {} : { description }),
    ...(log?.value && { log: log.value }),
    ...(labels.length > 0 && { labels: labels.map(({ source = 'unspec', key, value = '' }) => `${source}:${key}${value && `=${value}`}`) }),
  };
  return SECTIONS.flatMap((section) =>
    (spec[section.field] ?? []).map((entry, index) => ({
      ...translateEntry(entry, { section, owner, subject, host: spec.nodeSelector !== undefined }, field.child(section.field, index)),
      // Unset means yes: the rule has an entry in the direction, or the question would not come up.
      defaultDeny: spec.enableDefaultDeny?.[section.direction] ?? true,
      ...more,
    })),
  );
}

function warnIdleDefaultDeny(spec: CiliumRuleSpec, field: PolicyField): void {
  for (const direction of ['ingress', 'egress'] as const) {
    const entries = SECTIONS.filter((section) => section.direction === direction).flatMap(({ field }) => spec[field] ?? []);
    if (spec.enableDefaultDeny?.[direction] !== true || entries.length > 0) continue;
    suspect(field.child('enableDefaultDeny', direction), `default deny is enabled for ${direction}, where the rule has no entry, and so has no effect`, `add ${direction}: [{}] to deny everything`);
  }
}

/** The endpoints of a rule, or this node. */
function subjectOf({ endpointSelector, nodeSelector }: CiliumRuleSpec, namespace: string | undefined, field: PolicyField): Selector | undefined {
  if (nodeSelector === undefined) {
    return endpointSelector === undefined
      ? missing(field, 'the field endpointSelector is missing', 'add it; {} selects every pod that the policy can apply to')
      : endpointSubject(endpointSelector, namespace, field.child('endpointSelector'));
  }
  const at = field.child('nodeSelector');
  if (endpointSelector !== undefined) return refuse(at, 'endpointSelector and nodeSelector exclude each other', 'write one rule for each', 'key');
  if (namespace !== undefined) return refuse(at, 'nodes are in no namespace', 'use a CiliumClusterwideNetworkPolicy', 'key');
  return selector([...translateLabelSelector(nodeSelector, 'cilium', at), existsTerm('reserved', 'host')]);
}

/** A namespaced policy applies in its own namespace, whatever its selector says. */
function endpointSubject(spec: LabelSelectorSpec, namespace: string | undefined, field: PolicyField): Selector {
  const written = [...translateLabelSelector(spec, 'cilium', field)];
  if (written.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && (operator === 'In' || operator === 'Exists'))) {
    suspect(field, 'the node is no endpoint: the rule selects nobody', 'use nodeSelector in a CiliumClusterwideNetworkPolicy');
    written.push({ source: 'reserved', key: 'host', operator: 'DoesNotExist', values: [] });
  }
  if (namespace === undefined) return selector(written);
  const own = equalsTerm('k8s', NAMESPACE_KEY, namespace);
  if (written.some((term) => term.key === NAMESPACE_KEY && excludes(term, namespace))) {
    suspect(
      field,
      `the selector names another namespace than the policy's own, ${namespace}, where alone the policy applies`,
      'remove the namespace from the selector, or use a CiliumClusterwideNetworkPolicy',
    );
  }
  // Like Cilium: the policy's namespace replaces a plain match on the Kubernetes label; other terms stay and are ANDed.
  const plain = spec.matchLabels?.[`k8s:${NAMESPACE_KEY}`];
  const replaced = ({ source, key, operator, values }: Requirement): boolean =>
    source === 'k8s' && key === NAMESPACE_KEY && operator === 'In' && values.length === 1 && values[0] === plain;
  return selector([...written.filter((term) => !replaced(term)), own]);
}

function excludes(term: Requirement, namespace: string): boolean {
  const listed = term.values.includes(namespace);
  if (term.operator === 'In') return !listed;
  return term.operator === 'NotIn' ? listed : term.operator === 'DoesNotExist';
}

interface EntryContext {
  readonly section: Section;
  readonly owner: RuleOwner;
  readonly subject: Selector;
  /** Whether the rule is for nodes. */
  readonly host: boolean;
}

function translateEntry(entry: EntrySpec, context: EntryContext, field: PolicyField): Omit<Rule, 'defaultDeny'> {
  const { owner, subject, section } = context;
  const { direction, action } = section;
  const ports = translatePorts(entry, context, field);
  const peers = translatePeers(
    entry,
    { prefix: direction === 'ingress' ? 'from' : 'to', namespace: owner.namespace, subjectIsInit: selectsInit(subject), hasPorts: ports.kind === 'ports' },
    field,
  );
  const authentication = entry.authentication?.mode;
  if (authentication !== undefined && authentication !== 'disabled') {
    field.child('authentication').report({
      code: 'unenforced',
      severity: 'warning',
      message: 'authentication is not enforced: traffic passes as if its mode were disabled',
      remedy: 'do not rely on it',
      point: 'key',
    });
  }
  return { resource: owner.resource, direction, action, subject, tier: 'normal', peers, ports, at: field.at, ...(authentication && { authentication }) };
}

function selectsInit(subject: Selector): boolean {
  return subject.requirements.some(({ source, key }) => source === 'reserved' && key === 'init');
}

function translatePorts({ toPorts = [], icmps = [] }: EntrySpec, { section, owner, host }: EntryContext, field: PolicyField): PortSet {
  if (toPorts.length > 0 && icmps.length > 0) refuse(field.child('icmps'), 'icmps and toPorts cannot be combined in one rule', 'write one rule for each', 'key');
  // Empty lists are the same as none here, unlike those of peers.
  if (toPorts.length === 0 && icmps.length === 0) return { kind: 'all' };
  const context = { direction: section.direction, host, namespaced: owner.namespace !== undefined };
  return { kind: 'ports', ports: [...translateToPorts(toPorts, context, field.child('toPorts')), ...translateIcmps(icmps, field.child('icmps'))] };
}
