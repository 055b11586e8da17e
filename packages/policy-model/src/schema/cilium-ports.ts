import type { TypeOf } from '@cilium-ts/manifest';
import { choice, integer, intOrText, listOf, mapOf, object, oneOf, optional, text } from '@cilium-ts/manifest';

const line = optional(text());
const name = text({ pattern: /./, expected: 'a name' });

/** Cilium's limit (`pkg/policy/api/rule_validation.go`), of ports and of ICMP types. */
const MAX_LIST = 40;

/** One port, or a range of them, of a protocol. */
const portProtocolShape = object({ port: line, endPort: optional(integer(0, 65535)), protocol: line });
export type PortProtocolSpec = TypeOf<typeof portProtocolShape>;

const ports = optional(listOf(portProtocolShape, 0, MAX_LIST));

/** A DNS name by itself or by a pattern. The final dot may be left out. */
export const fqdnShape = choice(
  object({
    matchName: optional(text({ max: 255, pattern: /^[-\w]+(\.[-\w]+)*\.?$/, expected: 'labels of letters, digits, "-" and "_" between dots; patterns with * go into matchPattern' })),
    matchPattern: optional(text({ max: 255, pattern: /^[-\w*]+(\.[-\w*]+)*\.?$/, expected: 'labels of letters, digits, "-", "_" and "*" between dots' })),
  }),
);
export type FqdnSpec = TypeOf<typeof fqdnShape>;

const secretShape = object({ name, namespace: line });

const headerMatchShape = object({ name, value: line, secret: optional(secretShape), mismatch: optional(oneOf('LOG', 'ADD', 'DELETE', 'REPLACE')) });

const httpShape = object({ method: line, path: line, host: line, headers: optional(listOf(name)), headerMatches: optional(listOf(headerMatchShape)) });
export type HttpSpec = TypeOf<typeof httpShape>;

const kafkaShape = choice(
  object({
    role: optional(oneOf('produce', 'consume')),
    apiKey: line,
    apiVersion: line,
    clientID: line,
    topic: optional(text({ max: 255, pattern: /^[\w.-]*$/, expected: 'letters, digits, ".", "_" and "-"' })),
  }),
  { of: ['role', 'apiKey'], lenient: true },
);
export type KafkaSpec = TypeOf<typeof kafkaShape>;

const l7RulesShape = choice(
  object({
    http: optional(listOf(httpShape)),
    kafka: optional(listOf(kafkaShape)),
    dns: optional(listOf(fqdnShape)),
    l7proto: optional(name),
    l7: optional(listOf(mapOf(text()))),
  }),
  { of: ['http', 'kafka', 'dns', 'l7proto'], lenient: true },
);
export type L7RulesSpec = TypeOf<typeof l7RulesShape>;

const tlsShape = optional(object({ secret: secretShape, trustedCA: line, certificate: line, privateKey: line }));
export type TlsSpec = TypeOf<typeof tlsShape>;

const serverName = text({ max: 255, pattern: /^(\*\*?\.)?[-\w]+(\.[-\w]+)*\.?$/, expected: 'a DNS name, which may begin with "*." or "**."' });

/** An entry of `toPorts` in a rule that allows. */
const portRuleShape = object({
  ports,
  rules: optional(l7RulesShape),
  terminatingTLS: tlsShape,
  originatingTLS: tlsShape,
  serverNames: optional(listOf(serverName, 1)),
  listener: optional(
    object({
      name,
      envoyConfig: object({ kind: optional(oneOf('CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig')), name }),
      priority: optional(integer(1, 100)),
    }),
  ),
});
export type PortRuleSpec = TypeOf<typeof portRuleShape>;

const icmpRuleShape = object({
  fields: optional(listOf(object({ family: optional(oneOf('IPv4', 'IPv6')), type: intOrText }), 0, MAX_LIST)),
});
export type IcmpRuleSpec = TypeOf<typeof icmpRuleShape>;

/** Of every entry: ICMP types. */
export const icmpsShape = optional(listOf(icmpRuleShape));
/** `toPorts` of an entry that allows. */
export const toPortsShape = optional(listOf(portRuleShape));
/** `toPorts` of an entry that denies. */
export const toPortsDenyShape = optional(listOf(object({ ports })));
