import type { OptionalShape, Shape, TypeOf } from '@cilium-ts/manifest';
import { anything, choice, flag, labelSelectorShape, listOf, mapOf, object, oneOf, optional, refined, text } from '@cilium-ts/manifest';
import type { IcmpRuleSpec, PortRuleSpec } from './cilium-ports.ts';
import { fqdnShape, icmpsShape, toPortsDenyShape, toPortsShape } from './cilium-ports.ts';

const line = optional(text());
const texts = listOf(text());
const selectors = listOf(labelSelectorShape);

/** An entry of `fromCIDRSet` or `toCIDRSet`. */
const cidrRuleShape = choice(
  object({
    cidr: line,
    cidrGroupRef: optional(text({ max: 253, pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, expected: 'the name of a CiliumCIDRGroup' })),
    cidrGroupSelector: optional(labelSelectorShape),
    except: optional(texts),
  }),
  { of: ['cidr', 'cidrGroupRef', 'cidrGroupSelector'] },
);
export type CidrRuleSpec = TypeOf<typeof cidrRuleShape>;

const groupShape = object({
  aws: object({ labels: optional(mapOf(text())), securityGroupsIds: optional(texts), securityGroupsNames: optional(texts), region: line }),
});
export type GroupSpec = TypeOf<typeof groupShape>;

const serviceShape = object({
  k8sService: optional(object({ serviceName: line, namespace: line })),
  k8sServiceSelector: optional(object({ selector: labelSelectorShape, namespace: line })),
});
export type ServiceSpec = TypeOf<typeof serviceShape>;

const removed = refined(listOf(anything), (list, name) =>
  list.length === 0
    ? undefined
    : { code: 'unenforceable', message: `${name} cannot be enforced: requirements were removed from Cilium in 1.19`, remedy: 'write them as matchExpressions of the peers', point: 'key' },
);

/** Peers of both directions, by what follows `from` or `to` in the names of their fields. */
const PEERS = { Endpoints: selectors, Entities: texts, CIDR: texts, CIDRSet: listOf(cidrRuleShape), Requires: removed, Groups: listOf(groupShape), Nodes: selectors };
const EGRESS_PEERS = { ...PEERS, Services: listOf(serviceShape) };

/** An entry of `ingress`, `ingressDeny`, `egress` or `egressDeny`. The fields of peers are read by their names. */
export interface EntrySpec {
  readonly [peers: `from${string}` | `to${string}`]: unknown;
  readonly toPorts?: readonly PortRuleSpec[] | undefined;
  readonly icmps?: readonly IcmpRuleSpec[] | undefined;
  readonly authentication?: { readonly mode: 'disabled' | 'required' | 'test-always-fail' } | undefined;
}

function entries(prefix: string, peers: Readonly<Record<string, Shape>>, more: Readonly<Record<string, OptionalShape<unknown>>>): OptionalShape<readonly EntrySpec[]> {
  const fields: Record<string, OptionalShape<unknown>> = {};
  for (const [name, shape] of Object.entries(peers)) fields[prefix + name] = optional(shape);
  return optional(listOf(object({ ...fields, icmps: icmpsShape, ...more }))) as unknown as OptionalShape<readonly EntrySpec[]>;
}

const toPorts = { toPorts: toPortsShape, authentication: optional(object({ mode: oneOf('disabled', 'required', 'test-always-fail') })) };
const toPortsDeny = { toPorts: toPortsDenyShape };

/** One rule of a Cilium policy: `spec`, or an entry of `specs`. */
export const ciliumRuleShape = object({
  endpointSelector: optional(labelSelectorShape),
  nodeSelector: optional(labelSelectorShape),
  ingress: entries('from', PEERS, toPorts),
  ingressDeny: entries('from', PEERS, toPortsDeny),
  egress: entries('to', { ...EGRESS_PEERS, FQDNs: listOf(fqdnShape) }, toPorts),
  egressDeny: entries('to', EGRESS_PEERS, toPortsDeny),
  enableDefaultDeny: optional(object({ ingress: optional(flag), egress: optional(flag) })),
  labels: optional(listOf(object({ key: text(), value: line, source: line }))),
  description: line,
  log: optional(object({ value: optional(text({ max: 32, pattern: /^\P{C}*$/u, expected: 'printable characters' })) })),
});
export type CiliumRuleSpec = TypeOf<typeof ciliumRuleShape>;
