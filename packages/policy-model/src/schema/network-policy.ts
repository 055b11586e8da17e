import type { TypeOf } from '@cilium-ts/manifest';
import { anything, integer, intOrText, labelSelectorShape, listOf, metadataShape, object, oneOf, optional, text } from '@cilium-ts/manifest';

const portShape = object({
  protocol: optional(oneOf('TCP', 'UDP', 'SCTP')),
  port: optional(intOrText),
  endPort: optional(integer()),
});
export type NetworkPolicyPortSpec = TypeOf<typeof portShape>;

const peerShape = object({
  podSelector: optional(labelSelectorShape),
  namespaceSelector: optional(labelSelectorShape),
  ipBlock: optional(object({ cidr: text(), except: optional(listOf(text())) })),
});
export type NetworkPolicyPeerSpec = TypeOf<typeof peerShape>;

const ports = optional(listOf(portShape));
const peers = optional(listOf(peerShape));

/** NetworkPolicy of `networking.k8s.io/v1`. */
export const networkPolicyShape = object({
  apiVersion: oneOf('networking.k8s.io/v1'),
  kind: oneOf('NetworkPolicy'),
  metadata: metadataShape,
  spec: object({
    podSelector: labelSelectorShape,
    policyTypes: optional(listOf(oneOf('Ingress', 'Egress'))),
    ingress: optional(listOf(object({ from: peers, ports }))),
    egress: optional(listOf(object({ to: peers, ports }))),
  }),
  status: optional(anything),
});
export type NetworkPolicySpec = TypeOf<typeof networkPolicyShape>;
