import type { TypeOf } from '@cilium-ts/manifest';
import { anything, flag, labelSelectorShape, listOf, object, oneOf, optional, refined, text } from '@cilium-ts/manifest';
import { icmpRuleShape, portDenyRuleShape, portRuleShape } from './cilium-ports.ts';
import { refusal, unenforceable } from './field.ts';

const GROUP_REASON = 'address groups of cloud providers need an operator, which this version does not have';
const CIDR_GROUP_REASON = 'CiliumCIDRGroup objects are not read by this version';
const CIDR_GROUP_REMEDY = 'list the prefixes as cidr entries';
const NODE_REASON = 'nodes do not carry labels in this version';
const NODE_REMEDY = 'use the entities host and remote-node';
const REQUIRES = optional(
  refined(listOf(anything), (list, name) =>
    list.length === 0 ? undefined : refusal(name, 'requirements were removed from Cilium in 1.19', 'write them as matchExpressions of the peers'),
  ),
);

/** An entry of `fromCIDRSet` or `toCIDRSet`. */
export const cidrRuleShape = object({
  cidr: optional(text()),
  except: optional(listOf(text())),
  cidrGroupRef: unenforceable(CIDR_GROUP_REASON, CIDR_GROUP_REMEDY),
  cidrGroupSelector: unenforceable(CIDR_GROUP_REASON, CIDR_GROUP_REMEDY),
});
export type CidrRuleSpec = TypeOf<typeof cidrRuleShape>;

/** Explicitly disabled authentication is what there is; anything else cannot be enforced. */
const authenticationShape = object({
  mode: refined(oneOf('disabled', 'required', 'test-always-fail'), (mode, name) =>
    mode === 'disabled' ? undefined : refusal(name, 'authentication of peers is not available in this version', 'remove the field or set the mode disabled'),
  ),
});

const peers = optional(listOf(labelSelectorShape));
const texts = optional(listOf(text()));
const cidrRules = optional(listOf(cidrRuleShape));

const ingressCommon = {
  fromEndpoints: peers,
  fromEntities: texts,
  fromCIDR: texts,
  fromCIDRSet: cidrRules,
  fromRequires: REQUIRES,
  fromGroups: unenforceable(GROUP_REASON),
  fromNodes: unenforceable(NODE_REASON, NODE_REMEDY),
  icmps: optional(listOf(icmpRuleShape)),
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
  icmps: optional(listOf(icmpRuleShape)),
};

const toPorts = optional(listOf(portRuleShape));
const toPortsDeny = optional(listOf(portDenyRuleShape));

/** One rule of a Cilium policy: `spec`, or an entry of `specs`. */
export const ciliumRuleShape = object({
  endpointSelector: optional(labelSelectorShape),
  nodeSelector: unenforceable('policies for nodes (host firewall) are not available in this version', 'select pods with endpointSelector'),
  ingress: optional(listOf(object({ ...ingressCommon, toPorts, authentication: optional(authenticationShape) }))),
  ingressDeny: optional(listOf(object({ ...ingressCommon, toPorts: toPortsDeny }))),
  egress: optional(
    listOf(
      object({
        ...egressCommon,
        toPorts,
        toFQDNs: unenforceable('rules by DNS name need the DNS proxy, which this version does not have', 'list the addresses with toCIDR'),
        authentication: optional(authenticationShape),
      }),
    ),
  ),
  egressDeny: optional(listOf(object({ ...egressCommon, toPorts: toPortsDeny }))),
  enableDefaultDeny: optional(object({ ingress: optional(flag), egress: optional(flag) })),
  labels: optional(listOf(object({ key: text(), value: optional(text()), source: optional(text()) }))),
  description: optional(text()),
  log: optional(object({ value: optional(text({ max: 32 })) })),
});
export type CiliumRuleSpec = TypeOf<typeof ciliumRuleShape>;
