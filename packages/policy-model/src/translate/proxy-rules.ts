import type { PolicyField } from '../model/issue.ts';
import type { ProxyRules, TlsContext } from '../model/l7.ts';
import type { Direction } from '../model/rule.ts';
import type { PortProtocolSpec, PortRuleSpec, TlsSpec } from '../schema/cilium-ports.ts';
import { translateL7Rules } from './l7-rules.ts';
import { missing, refuse } from './report.ts';

/** What a proxy may be asked depends on where the port rule stands. */
export interface ProxyContext {
  readonly direction: Direction;
  /** Whether the rule is for nodes. */
  readonly host: boolean;
  /** Whether the policy is in a namespace. */
  readonly namespaced: boolean;
}

/** What a port rule asks of a proxy, `undefined` for nothing. Combinations that Cilium refuses are reported. */
export function translateProxyRules(rule: PortRuleSpec, context: ProxyContext, field: PolicyField): ProxyRules | undefined {
  const { rules = {}, serverNames, listener, ports = [] } = rule;
  const l7 = translateL7Rules(rules, field.child('rules'));
  if (l7 !== undefined) {
    const at = field.child('rules', l7.kind === 'generic' ? 'l7proto' : l7.kind);
    checkPlace(l7.kind, context, at);
    if (l7.kind === 'dns' && ports.length === 0) missing(at, 'DNS rules need a port', 'add ports with the port 53');
    ports.forEach((port, index) => checkPort(l7.kind === 'dns', port, field.child('ports', index)));
    if (serverNames !== undefined && rule.terminatingTLS === undefined) {
      refuse(field.child('serverNames'), 'server names beside layer-7 rules need terminatingTLS', 'add terminatingTLS, or remove one of the two', 'key');
    }
    if (listener !== undefined) refuse(field.child('listener'), 'a listener excludes layer-7 rules', 'keep one of the two', 'key');
  }
  if (listener !== undefined) checkListener(listener, context, field.child('listener'));
  const terminatingTls = tlsContext(rule.terminatingTLS);
  const originatingTls = tlsContext(rule.originatingTLS);
  if ((l7 ?? serverNames ?? terminatingTls ?? originatingTls ?? listener) === undefined) return undefined;
  return {
    ...(l7 && { l7 }),
    ...(serverNames && { serverNames: serverNames.map((name) => name.toLowerCase().replace(/\.$/, '')) }),
    ...(terminatingTls && { terminatingTls }),
    ...(originatingTls && { originatingTls }),
    ...(listener && { listener: listenerOf(listener, context) }),
    at: field.at,
  };
}

function checkPlace(kind: string, { direction, host }: ProxyContext, field: PolicyField): void {
  if (kind === 'dns') {
    if (direction === 'ingress') refuse(field, 'DNS rules are for outgoing traffic only', 'move the rule to egress', 'key');
  } else if (host) {
    refuse(field, 'of layer 7, policies for nodes have DNS rules only', 'select pods with endpointSelector, or remove the rules', 'key');
  }
}

function checkListener({ envoyConfig }: NonNullable<PortRuleSpec['listener']>, { direction, namespaced }: ProxyContext, field: PolicyField): void {
  if (direction === 'ingress') refuse(field, 'listeners take outgoing traffic only', 'remove the listener', 'key');
  if (namespaced || envoyConfig.kind !== 'CiliumEnvoyConfig') return;
  refuse(field.child('envoyConfig', 'kind'), 'a CiliumEnvoyConfig is in a namespace, the policy is in none', 'use a CiliumClusterwideEnvoyConfig, or a CiliumNetworkPolicy');
}

function checkPort(dns: boolean, { port, endPort = 0, protocol = '' }: PortProtocolSpec, field: PolicyField): void {
  const name = protocol.toUpperCase();
  if (port === '0') refuse(field.child('port'), 'layer-7 rules need a port other than 0', 'write the port');
  if (dns && endPort > Number(port)) refuse(field.child('endPort'), 'DNS rules have no ranges of ports', 'write the ports one by one', 'key');
  if (dns ? !['', 'ANY', 'TCP', 'UDP'].includes(name) : name !== 'TCP') {
    refuse(field.child('protocol'), `layer-7 rules are for TCP, not for ${name || 'ANY'}${dns ? ', DNS rules also for UDP' : ''}`, 'write TCP');
  }
}

const tlsContext = (spec: TlsSpec | undefined): TlsContext | undefined =>
  spec && {
    secret: secretOf(spec.secret),
    ...(spec.trustedCA && { trustedCa: spec.trustedCA }),
    ...(spec.certificate && { certificate: spec.certificate }),
    ...(spec.privateKey && { privateKey: spec.privateKey }),
  };

const secretOf = ({ name, namespace }: { readonly name: string; readonly namespace?: string | undefined }) => ({ name, ...(namespace && { namespace }) });

function listenerOf({ name, envoyConfig, priority }: NonNullable<PortRuleSpec['listener']>, { namespaced }: ProxyContext): NonNullable<ProxyRules['listener']> {
  const kind = envoyConfig.kind ?? (namespaced ? 'CiliumEnvoyConfig' : 'CiliumClusterwideEnvoyConfig');
  return { name, envoyConfig: { kind, name: envoyConfig.name }, ...(priority === undefined ? {} : { priority }) };
}
