import { z } from 'zod';
import { intOrString, unenforceable } from './field.ts';

const L7_REASON = 'layer-7 rules need the proxy, which this version does not have';
const TLS_REASON = 'TLS interception needs the proxy, which this version does not have';

/** One port, or a range of them, of a protocol. */
export const portProtocolSchema = z.strictObject({
  port: z.string().optional(),
  endPort: z.int().min(0).max(65535).optional(),
  protocol: z.string().optional(),
});
export type PortProtocolSpec = z.infer<typeof portProtocolSchema>;

/** `rules: {}` is the same as no rules; anything in it is a layer-7 rule. */
const l7RulesSchema = z.strictObject({
  http: unenforceable(L7_REASON),
  kafka: unenforceable(L7_REASON),
  dns: unenforceable(L7_REASON),
  l7proto: unenforceable(L7_REASON),
  l7: unenforceable(L7_REASON),
});

/** An entry of `toPorts` in a rule that allows. */
export const portRuleSchema = z.strictObject({
  ports: z.array(portProtocolSchema).optional(),
  rules: l7RulesSchema.optional(),
  terminatingTLS: unenforceable(TLS_REASON),
  originatingTLS: unenforceable(TLS_REASON),
  serverNames: unenforceable('matching TLS server names needs the proxy, which this version does not have'),
  listener: unenforceable('redirection to an Envoy listener is not available in this version'),
});

/** An entry of `toPorts` in a rule that denies. */
export const portDenyRuleSchema = z.strictObject({ ports: z.array(portProtocolSchema).optional() });
export type PortRuleSpec = z.infer<typeof portDenyRuleSchema>;

/** An entry of `icmps`. */
export const icmpRuleSchema = z.strictObject({
  fields: z
    .array(z.strictObject({ family: z.enum(['IPv4', 'IPv6']).optional(), type: intOrString }))
    .optional(),
});
export type IcmpRuleSpec = z.infer<typeof icmpRuleSchema>;
