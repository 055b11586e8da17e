import type { SourceLocation } from '@cilium-ts/manifest';
import type { PolicyIssue } from '../model/issue.ts';
import type { ProxyRules } from '../model/l7.ts';
import type { PolicyResource } from '../model/resource.ts';
import type { Peer, Rule } from '../model/rule.ts';
import type { EnforceableFeatures } from './features.ts';

/** Why a feature is wanting, and what to write instead. */
const REMEDY = 'remove the field, or keep this policy out of the folder';
const WANTING: Readonly<Record<keyof EnforceableFeatures, readonly [reason: string, remedy: string]>> = {
  tiers: ['tiers besides normal policies are not available in this version', 'write a CiliumClusterwideNetworkPolicy'],
  cidrGroups: ['CiliumCIDRGroup objects are not available in this version', 'list the prefixes as cidr entries'],
  namedPorts: ['the container ports of pods are not known to this version', 'write the port number'],
  services: ['the agent is not told of services', 'give it a folder of services (--service-dir), or name the pods behind the service with toEndpoints'],
  fqdn: ['rules by DNS name need the DNS proxy, which this version does not have', 'list the addresses with toCIDR'],
  groups: ['address groups of cloud providers need an operator, which this version does not have', REMEDY],
  nodes: ['nodes do not carry labels in this version', 'use the entities host and remote-node'],
  kubeApiserver: ['this version does not know where the API server is', 'list its addresses as CIDR'],
  hostFirewall: ['policies for nodes (host firewall) are not available in this version', 'select pods with endpointSelector'],
  l7: ['layer-7 rules need the proxy, which this version does not have', REMEDY],
  tls: ['reading TLS needs the proxy, which this version does not have', REMEDY],
  listeners: ['redirection to an Envoy listener is not available in this version', REMEDY],
};

/** A feature that a rule needs, and where it says so. */
interface Need {
  readonly feature: keyof EnforceableFeatures;
  readonly at: SourceLocation;
  /** What it is called in the message, where the field's name would not say it. */
  readonly what?: string;
}

/**
 * What of the resources a datapath with these features could not enforce: issues of code `unenforceable`, each with its
 * place and a remedy. A resource that has one must not be put into force: it would deny or allow something else than it says.
 */
export function checkEnforceable(resources: Iterable<PolicyResource>, features: EnforceableFeatures): readonly PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  for (const resource of resources) {
    const told = new Set<string>();
    for (const { feature, at, what = lastName(at.field) } of resource.rules.flatMap(needs)) {
      if (features[feature] || told.has(at.field)) continue;
      told.add(at.field);
      const [reason, remedy] = WANTING[feature];
      issues.push({ ...at, resource: resource.key, severity: 'error', code: 'unenforceable', message: `${what} cannot be enforced: ${reason}`, remedy });
    }
  }
  return issues;
}

function needs(rule: Rule): Need[] {
  const found: Need[] = [];
  if (rule.tier !== 'normal') found.push({ feature: 'tiers', at: rule.at, what: 'the rule' });
  if (rule.tier === 'normal' && rule.subject.requirements.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && operator === 'Exists')) {
    found.push({ feature: 'hostFirewall', at: rule.at, what: 'the rule' });
  }
  for (const peer of rule.peers.kind === 'peers' ? rule.peers.peers : []) {
    const feature = peerFeature(peer);
    if (feature !== undefined) found.push({ feature, at: peer.at, ...(peer.kind === 'entity' && { what: `the entity ${peer.entity}` }) });
  }
  const proxies = new Set<ProxyRules>();
  for (const port of rule.ports.kind === 'ports' ? rule.ports.ports : []) {
    if (port.name !== undefined) found.push({ feature: 'namedPorts', at: portField(port.at), what: `the named port ${JSON.stringify(port.name)}` });
    if (port.proxy !== undefined) proxies.add(port.proxy);
  }
  for (const proxy of proxies) found.push(...proxyNeeds(proxy));
  return found;
}

function peerFeature(peer: Peer): keyof EnforceableFeatures | undefined {
  switch (peer.kind) {
    case 'labels':
      return peer.nodes ? 'nodes' : undefined;
    case 'entity':
      return peer.entity === 'kube-apiserver' ? 'kubeApiserver' : undefined;
    case 'cidr-group':
      return 'cidrGroups';
    case 'service':
      return 'services';
    case 'group':
      return 'groups';
    case 'fqdn':
      return 'fqdn';
    case 'cidr':
      return undefined;
  }
}

function proxyNeeds({ l7, listener, serverNames, terminatingTls, originatingTls, at }: ProxyRules): Need[] {
  const below = (name: string): SourceLocation => ({ ...at, field: `${at.field}.${name}` });
  return [
    ...(l7 === undefined ? [] : [{ feature: 'l7', at: below(`rules.${l7.kind === 'generic' ? 'l7proto' : l7.kind}`) } as const]),
    ...(listener === undefined ? [] : [{ feature: 'listeners', at: below('listener') } as const]),
    ...(serverNames === undefined ? [] : [{ feature: 'tls', at: below('serverNames') } as const]),
    ...(terminatingTls === undefined ? [] : [{ feature: 'tls', at: below('terminatingTLS') } as const]),
    ...(originatingTls === undefined ? [] : [{ feature: 'tls', at: below('originatingTLS') } as const]),
  ];
}

/** The field that has the name, of the port that it belongs to. */
const portField = (at: SourceLocation): SourceLocation => (at.field.endsWith(']') ? { ...at, field: `${at.field}.port` } : at);

/** `fromNodes` of `spec.ingress[0].fromNodes[0]`. */
function lastName(field: string): string {
  return /([\w-]+)(?:\[\d+\])*$/.exec(field)?.[1] ?? field;
}
