import type { PolicyField } from '../model/issue.ts';
import type { ProxyRules } from '../model/l7.ts';
import { MAX_PORT, PORT_PROTOCOLS, PROTOCOL } from '../model/protocol.ts';
import type { PortTerm } from '../model/rule.ts';
import type { PortProtocolSpec, PortRuleSpec } from '../schema/cilium-ports.ts';
import type { ProxyContext } from './proxy-rules.ts';
import { translateProxyRules } from './proxy-rules.ts';
import { didYouMean, missing, quote, refuse, suspect } from './report.ts';

const NAMES = ['TCP', 'UDP', 'SCTP', 'VRRP', 'IGMP'] as const;

/** The protocols that a port rule means by a name; `undefined` for one that is none. */
function protocolsOf(text: string): readonly number[] | undefined {
  if (text === '' || text === 'ANY') return PORT_PROTOCOLS;
  const name = NAMES.find((one) => one === text);
  return name && [PROTOCOL[name]];
}

/** The ports of a `toPorts` list of a Cilium policy. An entry without ports matches no traffic, as in Cilium. */
export function translateToPorts(toPorts: readonly PortRuleSpec[], context: ProxyContext, field: PolicyField): readonly PortTerm[] {
  return toPorts.flatMap((rule, index) => {
    const at = field.child(index);
    const proxy = translateProxyRules(rule, context, at);
    return (rule.ports ?? []).flatMap((port, number) => portTerms(port, proxy, at.child('ports', number)));
  });
}

function portTerms(spec: PortProtocolSpec, proxy: ProxyRules | undefined, field: PolicyField): readonly PortTerm[] {
  const written = spec.protocol ?? '';
  const protocols = protocolsOf(written.toUpperCase());
  if (protocols === undefined) {
    const otherwise = `use one of ${NAMES.join(', ')}, ANY`;
    const remedy = /^ICMP(V6)?$/i.test(written) ? 'use icmps instead of toPorts' : didYouMean(written, NAMES, otherwise);
    refuse(field.child('protocol'), `${quote(written)} is not a protocol of a port rule`, remedy);
    return [];
  }
  const portless = protocols[0] === PROTOCOL.VRRP || protocols[0] === PROTOCOL.IGMP;
  const first = portless ? portlessPort(spec, field) : portNumber(spec.port, field.child('port'));
  const range = typeof first === 'string' ? namedPort(first, spec.endPort, field) : first === undefined ? undefined : portRange(first, spec.endPort ?? 0, field);
  if (range === undefined) return [];
  const at = field.at;
  return protocols.map((protocol) => ({ protocol, ...range, ...(proxy && { proxy }), at }));
}

function portlessPort({ protocol = '', port = '' }: PortProtocolSpec, field: PolicyField): number | undefined {
  if (port === '' || port === '0') return 0;
  return refuse(field.child('port'), `${protocol.toUpperCase()} has no ports`, 'leave the port out or write "0"');
}

/** The number, or the name in lower case. */
function portNumber(text: string | undefined, field: PolicyField): number | string | undefined {
  if (text === undefined || text === '') return missing(field, 'the field port is missing', 'add it; "0" means every port');
  if (/^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  if (isServiceName(text)) return text.toLowerCase();
  const octal = /^0\d+$/.test(text) ? ` without leading zeros, which Cilium reads as octal` : '';
  return refuse(field, `${quote(text)} is not a port`, `use a number from 0 to ${MAX_PORT}${octal}, or a name of at most 15 letters, digits and single dashes`);
}

/** Names of ports are letters, digits and single dashes with at least one letter (RFC 6335, section 5.1). */
export function isServiceName(text: string): boolean {
  return text.length <= 15 && /[a-z]/i.test(text) && /^[a-z0-9]+(?:-[a-z0-9]+)*$/i.test(text);
}

/** What a port by its name is until it is known which pod is meant. */
export function namedPort(name: string, endPort: number | undefined, field: PolicyField) {
  if ((endPort ?? 0) !== 0) suspect(field.child('endPort'), `endPort has no effect after the name ${quote(name)}`, 'write port and endPort as numbers');
  return { first: 0, last: 0, name };
}

/** The range that `port` and `endPort` (0: none) name. Port 0 alone is every port. */
export function portRange(first: number, endPort: number, field: PolicyField, name = 'endPort'): { first: number; last: number } | undefined {
  if (endPort === 0) return first === 0 ? { first: 0, last: MAX_PORT } : { first, last: first };
  if (endPort >= first && endPort <= MAX_PORT) return { first, last: endPort };
  return refuse(field.child(name), `${name} ${endPort} is below the port ${first}`, `use a port from ${first} to ${MAX_PORT}`);
}
