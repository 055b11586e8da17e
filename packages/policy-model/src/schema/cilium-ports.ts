import type { TypeOf } from '@cilium-ts/manifest';
import { integer, intOrText, listOf, object, oneOf, optional, text } from '@cilium-ts/manifest';
import { unenforceable } from './field.ts';

const L7_REASON = 'layer-7 rules need the proxy, which this version does not have';
const TLS_REASON = 'TLS interception needs the proxy, which this version does not have';

/** One port, or a range of them, of a protocol. */
export const portProtocolShape = object({
  port: optional(text()),
  endPort: optional(integer(0, 65535)),
  protocol: optional(text()),
});
export type PortProtocolSpec = TypeOf<typeof portProtocolShape>;

/** `rules: {}` is the same as no rules; anything in it is a layer-7 rule. */
const l7RulesShape = object({
  http: unenforceable(L7_REASON),
  kafka: unenforceable(L7_REASON),
  dns: unenforceable(L7_REASON),
  l7proto: unenforceable(L7_REASON),
  l7: unenforceable(L7_REASON),
});

/** An entry of `toPorts` in a rule that allows. */
export const portRuleShape = object({
  ports: optional(listOf(portProtocolShape)),
  rules: optional(l7RulesShape),
  terminatingTLS: unenforceable(TLS_REASON),
  originatingTLS: unenforceable(TLS_REASON),
  serverNames: unenforceable('matching TLS server names needs the proxy, which this version does not have'),
  listener: unenforceable('redirection to an Envoy listener is not available in this version'),
});

/** An entry of `toPorts` in a rule that denies. */
export const portDenyRuleShape = object({ ports: optional(listOf(portProtocolShape)) });
export type PortRuleSpec = TypeOf<typeof portDenyRuleShape>;

/** An entry of `icmps`. */
export const icmpRuleShape = object({
  fields: optional(listOf(object({ family: optional(oneOf('IPv4', 'IPv6')), type: intOrText }))),
});
export type IcmpRuleSpec = TypeOf<typeof icmpRuleShape>;
