import type { OptionalShape, Shape, TypeOf } from '@cilium-ts/manifest';
import { anything, choice, integer, labelSelectorShape, listOf, metadataShape, object, oneOf, optional, text } from '@cilium-ts/manifest';

const selector = optional(labelSelectorShape);
const port = integer(1, 65535);

/** Pods by the labels of their namespaces, or by those and their own. */
const pods = { namespaces: selector, pods: optional(object({ namespaceSelector: labelSelectorShape, podSelector: labelSelectorShape })) };
const subjectShape = choice(object(pods));
export type TierSubjectSpec = TypeOf<typeof subjectShape>;

const ingressPeerShape = choice(object(pods));
const egressPeerShape = choice(
  object({
    ...pods,
    nodes: selector,
    networks: optional(listOf(text(), 1, 25)),
    domainNames: optional(
      listOf(text({ max: 255, pattern: /^(\*\.)?[-\w]+(\.[-\w]+)+\.?$/, expected: 'a DNS name of several labels, which may begin with "*."' }), 1, 25),
    ),
  }),
);
export type TierPeerSpec = TypeOf<typeof egressPeerShape>;

const protocol = optional(oneOf('TCP', 'UDP', 'SCTP'));
const portShape = choice(
  object({ portNumber: optional(object({ protocol, port })), portRange: optional(object({ protocol, start: port, end: port })), namedPort: optional(text()) }),
);
export type TierPortSpec = TypeOf<typeof portShape>;

const destination = optional(
  object({ destinationPort: optional(choice(object({ number: optional(port), range: optional(object({ start: port, end: port })) }))) }),
);
const protocolShape = choice(object({ tcp: destination, udp: destination, sctp: destination, destinationNamedPort: optional(text()) }));
export type TierProtocolSpec = TypeOf<typeof protocolShape>;

/** A rule of any of the kinds; which fields it may have is the shape's business. */
export interface TierRuleSpec {
  readonly name?: string | undefined;
  readonly action: 'Accept' | 'Allow' | 'Deny' | 'Pass';
  readonly from?: readonly TierPeerSpec[] | undefined;
  readonly to?: readonly TierPeerSpec[] | undefined;
  readonly ports?: readonly TierPortSpec[] | undefined;
  readonly protocols?: readonly TierProtocolSpec[] | undefined;
}

/** What the kinds have in common once their shapes are checked. */
export interface TierPolicySpec {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
  readonly spec: {
    readonly tier?: 'Admin' | 'Baseline';
    readonly priority?: number;
    readonly subject: TierSubjectSpec;
    readonly ingress?: readonly TierRuleSpec[] | undefined;
    readonly egress?: readonly TierRuleSpec[] | undefined;
  };
}

interface Version {
  readonly actions: readonly string[];
  readonly traffic: Readonly<Record<string, OptionalShape<unknown>>>;
  /** Most rules of a direction, most peers of a rule. */
  readonly max: number;
}

function policy(apiVersion: string, kind: string, { actions, traffic, max }: Version, more: Readonly<Record<string, Shape>>): Shape<TierPolicySpec> {
  const rules = (peers: string, peer: Shape): OptionalShape<unknown> =>
    optional(listOf(object({ name: optional(text({ max: 100 })), action: oneOf(...actions), [peers]: listOf(peer, 1, max), ...traffic }), 0, max));
  return object({
    apiVersion: oneOf(apiVersion),
    kind: oneOf(kind),
    metadata: metadataShape,
    spec: object({ ...more, subject: subjectShape, ingress: rules('from', ingressPeerShape), egress: rules('to', egressPeerShape) }),
    status: optional(anything),
  }) as unknown as Shape<TierPolicySpec>;
}

const GROUP = 'policy.networking.k8s.io/';
const priority = integer(0, 1000);
const older = (actions: readonly string[]): Version => ({ actions, traffic: { ports: optional(listOf(portShape, 0, 100)) }, max: 100 });

/** AdminNetworkPolicy of `policy.networking.k8s.io/v1alpha1`. */
export const adminPolicyShape = policy(`${GROUP}v1alpha1`, 'AdminNetworkPolicy', older(['Allow', 'Deny', 'Pass']), { priority });

/** BaselineAdminNetworkPolicy of `policy.networking.k8s.io/v1alpha1`. */
export const baselinePolicyShape = policy(`${GROUP}v1alpha1`, 'BaselineAdminNetworkPolicy', older(['Allow', 'Deny']), {});

/** ClusterNetworkPolicy of `policy.networking.k8s.io/v1alpha2`. */
export const clusterPolicyShape = policy(
  `${GROUP}v1alpha2`,
  'ClusterNetworkPolicy',
  { actions: ['Accept', 'Deny', 'Pass'], traffic: { protocols: optional(listOf(protocolShape, 0, 25)) }, max: 25 },
  { tier: oneOf('Admin', 'Baseline'), priority },
);
