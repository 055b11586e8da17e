import { z } from 'zod';
import { intOrString } from './field.ts';
import { labelSelectorSchema } from './label-selector.ts';
import { metadataSchema } from './metadata.ts';

const portSchema = z.strictObject({
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
  port: intOrString.optional(),
  endPort: z.int().optional(),
});
export type NetworkPolicyPortSpec = z.infer<typeof portSchema>;

const peerSchema = z.strictObject({
  podSelector: labelSelectorSchema.optional(),
  namespaceSelector: labelSelectorSchema.optional(),
  ipBlock: z.strictObject({ cidr: z.string(), except: z.array(z.string()).optional() }).optional(),
});
export type NetworkPolicyPeerSpec = z.infer<typeof peerSchema>;

const ports = z.array(portSchema).optional();
const peers = z.array(peerSchema).optional();

/** NetworkPolicy of `networking.k8s.io/v1`. */
export const networkPolicySchema = z.strictObject({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('NetworkPolicy'),
  metadata: metadataSchema,
  spec: z.strictObject({
    podSelector: labelSelectorSchema,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])).optional(),
    ingress: z.array(z.strictObject({ from: peers, ports })).optional(),
    egress: z.array(z.strictObject({ to: peers, ports })).optional(),
  }),
  status: z.unknown().optional(),
});
export type NetworkPolicySpec = z.infer<typeof networkPolicySchema>;
