import type { Field } from '@cilium-ts/manifest';
import { MAX_PORT, PORT_PROTOCOLS, PROTOCOL } from '../model/protocol.ts';
import type { PortTerm } from '../model/rule.ts';
import type { PortProtocolSpec, PortRuleSpec } from '../schema/cilium-ports.ts';

/** Cilium's limit (`pkg/policy/api/rule_validation.go`). */
const MAX_PORTS = 40;

const PROTOCOLS = new Map<string, readonly number[]>([
  ['', PORT_PROTOCOLS],
  ['ANY', PORT_PROTOCOLS],
  ['TCP', [PROTOCOL.TCP]],
  ['UDP', [PROTOCOL.UDP]],
  ['SCTP', [PROTOCOL.SCTP]],
  ['VRRP', [PROTOCOL.VRRP]],
  ['IGMP', [PROTOCOL.IGMP]],
]);

/** The ports of a `toPorts` list of a Cilium policy. An entry without ports matches no traffic, as in Cilium. */
export function translateToPorts(toPorts: readonly PortRuleSpec[], field: Field): readonly PortTerm[] {
  return toPorts.flatMap((rule, index) => {
    const ports = rule.ports ?? [];
    const at = field.child(index, 'ports');
    if (ports.length > MAX_PORTS) {
      const message = `${ports.length} ports in one list, the maximum is ${MAX_PORTS}`;
      at.report({ code: 'invalid-value', message, remedy: 'use a range with endPort, or split the rule' });
    }
    return ports.flatMap((port, number) => portTerms(port, at.child(number)));
  });
}

function portTerms(spec: PortProtocolSpec, field: Field): readonly PortTerm[] {
  const protocols = PROTOCOLS.get((spec.protocol ?? '').toUpperCase());
  if (protocols === undefined) {
    const icmp = /^ICMP(V6)?$/i.test(spec.protocol ?? '');
    const remedy = icmp ? 'use icmps instead of toPorts' : 'use TCP, UDP, SCTP, VRRP, IGMP or ANY';
    const message = `${JSON.stringify(spec.protocol)} is not a protocol of a port rule`;
    field.child('protocol').report({ code: 'invalid-value', message, remedy });
    return [];
  }
  const portless = protocols[0] === PROTOCOL.VRRP || protocols[0] === PROTOCOL.IGMP;
  const first = portless ? portlessPort(spec, field) : portNumber(spec.port, field.child('port'));
  const range = first === undefined ? undefined : portRange(first, spec.endPort ?? 0, field);
  if (range === undefined) return [];
  const at = field.at;
  return protocols.map((protocol) => ({ protocol, ...range, at }));
}

function portlessPort(spec: PortProtocolSpec, field: Field): number | undefined {
  if ((spec.port ?? '') === '' || spec.port === '0') return 0;
  const message = `${spec.protocol?.toUpperCase()} has no ports`;
  field.child('port').report({ code: 'invalid-value', message, remedy: 'leave the port out or write "0"' });
  return undefined;
}

function portNumber(text: string | undefined, field: Field): number | undefined {
  if (text === undefined || text === '') {
    field.report({ code: 'missing-field', message: 'the field port is missing', remedy: 'add it; "0" means every port' });
    return undefined;
  }
  if (/^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  if (isServiceName(text)) {
    field.report(namedPort(text));
    return undefined;
  }
  const octal = /^0\d+$/.test(text) ? ` without leading zeros, which Cilium reads as octal` : '';
  const message = `${JSON.stringify(text)} is not a port`;
  field.report({ code: 'invalid-value', message, remedy: `use a number from 0 to ${MAX_PORT}${octal}` });
  return undefined;
}

/** Names of ports are letters, digits and single dashes with at least one letter (RFC 6335, section 5.1). */
export function isServiceName(text: string): boolean {
  return text.length <= 15 && /[a-z]/i.test(text) && /^[a-z0-9]+(?:-[a-z0-9]+)*$/i.test(text);
}

/** The finding for a port given by name. */
export function namedPort(name: string) {
  return {
    code: 'unenforceable',
    message: `the named port ${JSON.stringify(name)} cannot be enforced: the container ports of pods are not known to this version`,
    remedy: 'write the port number',
  } as const;
}

/** The range that `port` and `endPort` (0: none) name. Port 0 alone is every port. */
export function portRange(
  first: number,
  endPort: number,
  field: Field): { first: number; last: number } | undefined {
  if (endPort === 0) return first === 0 ? { first: 0, last: MAX_PORT } : { first, last: first };
  if (endPort >= first && endPort <= MAX_PORT) return { first, last: endPort };
  const message = `endPort ${endPort} is below the port ${first}`;
  field.child('endPort').report({ code: 'invalid-value', message, remedy: `use a port from ${first} to ${MAX_PORT}` });
  return undefined;
}
