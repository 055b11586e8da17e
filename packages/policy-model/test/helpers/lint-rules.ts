import { parseCidr } from '@cilium-ts/core';
import { labelSet, selector } from '@cilium-ts/identity';
import type { L7Rules, Peer, PolicyKind, PolicyResource, PortTerm, ProxyRules, Rule } from '../../src/index.ts';
import { resourceKey } from '../../src/index.ts';

/** A place for what is built by hand. */
export const at = { line: 1, column: 1, field: 'spec' } as const;

/** A resource with these rules; what a rule leaves out is an allow rule of ingress for every pod of the namespace shop. */
export function resourceOf(name: string, rules: readonly Partial<Rule>[], kind: PolicyKind = 'CiliumNetworkPolicy'): PolicyResource {
  const namespace = kind === 'CiliumNetworkPolicy' || kind === 'NetworkPolicy' ? 'shop' : undefined;
  const key = resourceKey(kind, namespace, name);
  return { kind, namespace, name, key, document: {}, rules: rules.map((rule, index) => ruleOf({ resource: key, at: { ...at, field: `spec[${index}]` }, ...rule })) };
}

export function ruleOf(rule: Partial<Rule>): Rule {
  return {
    resource: 'CiliumNetworkPolicy/shop/hand',
    direction: 'ingress',
    action: 'allow',
    subject: selector([{ source: 'k8s', key: 'io.kubernetes.pod.namespace', operator: 'In', values: ['shop'] }]),
    defaultDeny: true,
    tier: 'normal',
    peers: { kind: 'any' },
    ports: { kind: 'all' },
    at,
    ...rule,
  };
}

export function subjectOf(labels: Record<string, string>): Rule['subject'] {
  const own = Object.entries({ 'io.kubernetes.pod.namespace': 'shop', ...labels });
  return selector(own.map(([key, value]) => ({ source: 'k8s', key, operator: 'In' as const, values: [value] })));
}

export const peersOf = (...peers: Peer[]): Rule['peers'] => ({ kind: 'peers', peers });
export const entityPeer = (entity: Extract<Peer, { kind: 'entity' }>['entity']): Peer => ({ kind: 'entity', entity, at });
export const fqdnPeer = (text: string): Peer => ({ kind: 'fqdn', selector: text.includes('*') ? { pattern: text } : { name: text }, at });
export const cidrPeer = (prefix: string, ...except: string[]): Peer => ({ kind: 'cidr', prefix: parseCidr(prefix)!, except: except.map((text) => parseCidr(text)!), at });
export const labelsPeer = (labels: Record<string, string>): Peer => ({ kind: 'labels', requirements: subjectOf(labels).requirements, localClusterByDefault: true, at });
export const groupPeer = (name: string): Peer => ({ kind: 'cidr-group', group: { name }, except: [], at });
export const servicePeer = (name: string): Peer => ({ kind: 'service', service: { name, namespace: 'shop' }, at });

export const port = (first: number, { last = first, protocol = 6, proxy }: { last?: number; protocol?: number; proxy?: ProxyRules } = {}): PortTerm => ({ protocol, first, last, at, ...(proxy === undefined ? {} : { proxy }) });
export const portsOf = (...ports: PortTerm[]): Rule['ports'] => ({ kind: 'ports', ports });
export const l7 = (rules: L7Rules): ProxyRules => ({ l7: rules, at: { ...at, field: 'rules' } });

/** A CiliumCIDRGroup. */
export function cidrGroup(name: string, ...prefixes: string[]): PolicyResource {
  const key = resourceKey('CiliumCIDRGroup', undefined, name);
  return { kind: 'CiliumCIDRGroup', namespace: undefined, name, key, document: {}, rules: [], group: { prefixes: prefixes.map((text) => parseCidr(text)!), labels: labelSet([]) } };
}
