import { suggest } from '@cilium-ts/core';

import { labelSet, makeLabel, selector, selectorMatches } from '@cilium-ts/identity';
import { matchesFqdn } from '../../fqdn/match-fqdn.ts';
import type { FqdnPeer, FqdnSelector, Peer, Rule, ServiceReference } from '../../model/rule.ts';
import type { LintService, LintContext } from './context.ts';
import { sharesEndpoints } from './check-shadowed.ts';
import type { PreparedRule } from './prepared.ts';
import type { Terms } from './selector-logic.ts';
import { contradiction } from './selector-logic.ts';

/** What rules refer to and what is not there: endpoints, peers, groups, services, the answers that names need. */
export function checkReferences(context: LintContext): void {
  const subjects = new Set<string>();
  for (const prepared of context.rules) {
    const { rule } = prepared;
    const subject = `${rule.resource} ${rule.subject.text}`;
    if (!subjects.has(subject)) {
      subjects.add(subject);
      checkSubject(context, prepared);
    }
    for (const { peer, alternatives } of prepared.peers) {
      if (peer === undefined) continue;
      if (peer.kind === 'labels') checkLabelPeer(context, rule, peer, alternatives);
      else if (peer.kind === 'cidr-group') checkGroup(context, rule, peer);
      else if (peer.kind === 'service') checkService(context, rule, peer);
      else if (peer.kind === 'fqdn') checkName(context, prepared, peer);
    }
  }
}

function checkSubject(context: LintContext, { rule, subject }: PreparedRule): void {
  const { identities } = context;
  if (identities === undefined || contradiction(subject) !== undefined || identities.some(({ labels }) => selectorMatches(rule.subject, labels))) return;
  const message = `none of the ${identities.length} known identities is an endpoint of this policy: no endpoint meets ${rule.subject.text}`;
  context.report({ code: 'selects-no-endpoint', severity: 'warning', rule, message, remedy: nearest(subject, identities) ?? 'correct the selector, or remove the policy' });
}

function checkLabelPeer(context: LintContext, rule: Rule, peer: Peer, alternatives: readonly Terms[]): void {
  const { identities } = context;
  const [terms] = alternatives;
  if (identities === undefined || terms === undefined || contradiction(terms) !== undefined) return;
  const wanted = selector(terms);
  if (identities.some(({ labels }) => selectorMatches(wanted, labels))) return;
  const message = `none of the ${identities.length} known identities is this peer: ${wanted.text}`;
  context.report({ code: 'selects-no-peer', severity: 'warning', rule, at: peer.at, message, remedy: nearest(terms, identities) ?? 'correct the selector, or remove the peer' });
}

/** A term that nobody meets, with what is spelled alike. */
function nearest(terms: Terms, identities: NonNullable<LintContext['identities']>): string | undefined {
  const labels = identities.flatMap((identity) => [...identity.labels]);
  for (const { source, key, operator, values } of terms) {
    if (operator !== 'In' && operator !== 'Exists') continue;
    const sameKey = labels.filter((label) => label.key === key && (source === 'any' || label.source === source));
    if (sameKey.length === 0) {
      const near = suggest(key, new Set(labels.map((label) => label.key)));
      return near === undefined ? `no identity has a label ${key}` : `no identity has a label ${key}; did you mean ${near}?`;
    }
    if (operator === 'Exists' || sameKey.some(({ value }) => values.includes(value))) continue;
    const near = suggest(values[0]!, new Set(sameKey.map(({ value }) => value)));
    return near === undefined ? `no identity has ${key}=${values[0]!}` : `no identity has ${key}=${values[0]!}; did you mean ${near}?`;
  }
  return undefined;
}

function checkGroup(context: LintContext, rule: Rule, peer: Peer & { kind: 'cidr-group' }): void {
  const groups = context.resources.filter(({ group }) => group !== undefined);
  const { group: wanted } = peer;
  if (groups.some(({ name, group }) => ('name' in wanted ? name === wanted.name : selectorMatches(wanted.selector, group!.labels)))) return;
  const near = 'name' in wanted ? suggest(wanted.name, groups.map(({ name }) => name)) : undefined;
  const message = 'name' in wanted ? `there is no CiliumCIDRGroup ${wanted.name}: the peer is nobody` : `no CiliumCIDRGroup has labels ${wanted.selector.text}: the peer is nobody`;
  context.report({ code: 'unknown-cidr-group', severity: 'warning', rule, at: peer.at, message, remedy: near === undefined ? 'create the group, or give its file too' : `did you mean ${near}?` });
}

function checkService(context: LintContext, rule: Rule, peer: Peer & { kind: 'service' }): void {
  const { services } = context;
  if (services === undefined || services.some((service) => isService(peer.service, service))) return;
  const { service } = peer;
  const near = 'name' in service ? suggest(service.name, services.filter(({ namespace }) => service.namespace === undefined || namespace === service.namespace).map(({ name }) => name)) : undefined;
  const message = 'name' in service ? `there is no service ${service.namespace === undefined ? '' : `${service.namespace}/`}${service.name}: the peer is nobody` : `no service has labels ${service.selector.text}: the peer is nobody`;
  context.report({ code: 'unknown-service', severity: 'warning', rule, at: peer.at, message, remedy: near === undefined ? 'create the service, or correct the reference' : `did you mean ${near}?` });
}

function isService(wanted: ServiceReference, { namespace, name, labels = {} }: LintService): boolean {
  if (wanted.namespace !== undefined && wanted.namespace !== namespace) return false;
  if ('name' in wanted) return wanted.name === name;
  return selectorMatches(wanted.selector, labelSet(Object.entries(labels).map(([key, value]) => makeLabel('k8s', key, value))));
}

/** Names are learned from answers that pass the DNS proxy, which only DNS rules bring about. */
function checkName(context: LintContext, prepared: PreparedRule, peer: FqdnPeer): void {
  const { rule } = prepared;
  const dns = context.rules.filter((other) => other.rule.direction === 'egress' && other.rule.action === 'allow' && sharesEndpoints(other, prepared));
  const rules = dns.flatMap(({ parts }) => parts.flatMap(({ proxy }) => (proxy?.l7?.kind === 'dns' ? [proxy.l7.rules] : [])));
  const text = 'name' in peer.selector ? peer.selector.name : peer.selector.pattern;
  if (rules.length === 0) {
    const message = `no rule lets these endpoints ask for DNS names by way of the proxy, so that nothing is learned of ${text} from them`;
    context.report({ code: 'fqdn-without-dns', severity: 'warning', rule, at: peer.at, message, remedy: 'allow port 53 of the DNS servers with rules: {dns: [{matchPattern: "*"}]}' });
  } else if (!rules.some((list) => list.length === 0 || list.some((allowed) => mayAsk(allowed, peer.selector)))) {
    const message = `the DNS rules of these endpoints do not let them ask for ${text}`;
    context.report({ code: 'fqdn-name-not-asked', severity: 'warning', rule, at: peer.at, message, remedy: `add ${'name' in peer.selector ? 'matchName' : 'matchPattern'}: ${text.replace(/\.$/, '')} to a DNS rule` });
  }
}

/** Whether some name that is wanted may be asked for. */
function mayAsk(allowed: FqdnSelector, wanted: FqdnSelector): boolean {
  if ('name' in wanted) return matchesFqdn(allowed, wanted.name);
  if ('name' in allowed) return matchesFqdn(wanted, allowed.name);
  if (allowed.pattern === wanted.pattern) return true;
  // Names that the one or the other means: each star as nothing, as one letter, in front as two labels.
  const samples = (pattern: string): string[] => ['', 'x', 'x.y'].map((text) => pattern.replace(/^\*+(?=\.)/, text === '' ? 'x' : text).replace(/\*+/g, text === 'x.y' ? 'x' : text));
  return samples(wanted.pattern).some((name) => matchesFqdn(allowed, name)) || samples(allowed.pattern).some((name) => matchesFqdn(wanted, name));
}

