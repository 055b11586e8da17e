import { z } from 'zod';
import { icmpRuleSchema, portDenyRuleSchema, portRuleSchema } from './cilium-ports.ts';
import { unenforceable } from './field.ts';
import { labelSelectorSchema } from './label-selector.ts';

const GROUP_REASON = 'address groups of cloud providers need an operator, which this version does not have';
const CIDR_GROUP_REASON = 'CiliumCIDRGroup objects are not read by this version';
const CIDR_GROUP_REMEDY = 'list the prefixes as cidr entries';
const NODE_REASON = 'nodes do not carry labels in this version';
const NODE_REMEDY = 'use the entities host and remote-node';
const REQUIRES = z
  .array(z.unknown())
  .refine((list) => list.length === 0, {
    error: 'requirements were removed from Cilium in 1.19',
    params: { unenforceable: true, reason: 'requirements were removed from Cilium in 1.19', remedy: 'write them as matchExpressions of the peers' },
  })
  .optional();

/** An entry of `fromCIDRSet` or `toCIDRSet`. */
export const cidrRuleSchema = z.strictObject({
  cidr: z.string().optional(),
  except: z.array(z.string()).optional(),
  cidrGroupRef: unenforceable(CIDR_GROUP_REASON, CIDR_GROUP_REMEDY),
  cidrGroupSelector: unenforceable(CIDR_GROUP_REASON, CIDR_GROUP_REMEDY),
});
export type CidrRuleSpec = z.infer<typeof cidrRuleSchema>;

/** Explicitly disabled authentication is what there is; anything else cannot be enforced. */
const authenticationSchema = z.strictObject({
  mode: z.enum(['disabled', 'required', 'test-always-fail']).refine((mode) => mode === 'disabled', {
    error: 'authentication is not available in this version',
    params: { unenforceable: true, reason: 'authentication of peers is not available in this version', remedy: 'remove the field or set the mode disabled' },
  }),
});

const peers = z.array(labelSelectorSchema).optional();
const texts = z.array(z.string()).optional();
const cidrRules = z.array(cidrRuleSchema).optional();

const ingressCommon = {
  fromEndpoints: peers,
  fromEntities: texts,
  fromCIDR: texts,
  fromCIDRSet: cidrRules,
  fromRequires: REQUIRES,
  fromGroups: unenforceable(GROUP_REASON),
  fromNodes: unenforceable(NODE_REASON, NODE_REMEDY),
  icmps: z.array(icmpRuleSchema).optional(),
};

const egressCommon = {
  toEndpoints: peers,
  toEntities: texts,
  toCIDR: texts,
  toCIDRSet: cidrRules,
  toRequires: REQUIRES,
  toGroups: unenforceable(GROUP_REASON),
  toNodes: unenforceable(NODE_REASON, NODE_REMEDY),
  toServices: unenforceable('services are not known to this version', 'name the pods behind the service with toEndpoints'),
  icmps: z.array(icmpRuleSchema).optional(),
};

const toPorts = z.array(portRuleSchema).optional();
const toPortsDeny = z.array(portDenyRuleSchema).optional();

/** One rule of a Cilium policy: `spec`, or an entry of `specs`. */
export const ciliumRuleSchema = z.strictObject({
  endpointSelector: labelSelectorSchema.optional(),
  nodeSelector: unenforceable('policies for nodes (host firewall) are not available in this version', 'select pods with endpointSelector'),
  ingress: z.array(z.strictObject({ ...ingressCommon, toPorts, authentication: authenticationSchema.optional() })).optional(),
  ingressDeny: z.array(z.strictObject({ ...ingressCommon, toPorts: toPortsDeny })).optional(),
  egress: z
    .array(
      z.strictObject({
        ...egressCommon,
        toPorts,
        toFQDNs: unenforceable('rules by DNS name need the DNS proxy, which this version does not have', 'list the addresses with toCIDR'),
        authentication: authenticationSchema.optional(),
      }),
    )
    .optional(),
  egressDeny: z.array(z.strictObject({ ...egressCommon, toPorts: toPortsDeny })).optional(),
  enableDefaultDeny: z.strictObject({ ingress: z.boolean().optional(), egress: z.boolean().optional() }).optional(),
  labels: z.array(z.strictObject({ key: z.string(), value: z.string().optional(), source: z.string().optional() })).optional(),
  description: z.string().optional(),
  log: z.strictObject({ value: z.string().max(32).optional() }).optional(),
});
export type CiliumRuleSpec = z.infer<typeof ciliumRuleSchema>;
