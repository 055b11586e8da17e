import { z } from 'zod';
import { intOrString } from './field.ts';
import { metadataSchema } from './metadata.ts';

const protocol = z.enum(['TCP', 'UDP', 'SCTP']);
const port = z.int().min(1).max(65535);
const text = z.string();
const policy = z.enum(['Cluster', 'Local']);

const servicePortSchema = z.strictObject({
  name: text.optional(),
  protocol: protocol.optional(),
  appProtocol: text.nullish(),
  port,
  targetPort: intOrString.optional(),
  nodePort: z.int().min(0).max(65535).optional(),
});
export type ServicePortSpec = z.infer<typeof servicePortSchema>;

const ingressSchema = z.strictObject({
  ip: text.optional(),
  hostname: text.optional(),
  ipMode: z.enum(['VIP', 'Proxy']).nullish(),
  ports: z.array(z.unknown()).nullish(),
});

const affinityConfigSchema = z.strictObject({
  clientIP: z.strictObject({ timeoutSeconds: z.int().min(1).max(86400).nullish() }).nullish(),
});

const specSchema = z.strictObject({
  type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
  ports: z.array(servicePortSchema).nullish(),
  selector: z.record(z.string(), z.string()).nullish(),
  clusterIP: text.optional(),
  clusterIPs: z.array(text).nullish(),
  externalIPs: z.array(text).nullish(),
  externalName: text.optional(),
  loadBalancerIP: text.optional(),
  loadBalancerClass: text.nullish(),
  loadBalancerSourceRanges: z.array(text).nullish(),
  allocateLoadBalancerNodePorts: z.boolean().nullish(),
  sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
  sessionAffinityConfig: affinityConfigSchema.nullish(),
  externalTrafficPolicy: policy.optional(),
  internalTrafficPolicy: policy.nullish(),
  healthCheckNodePort: z.int().min(0).max(65535).optional(),
  publishNotReadyAddresses: z.boolean().optional(),
  ipFamilies: z.array(z.enum(['IPv4', 'IPv6'])).nullish(),
  ipFamilyPolicy: z.enum(['SingleStack', 'PreferDualStack', 'RequireDualStack']).nullish(),
  trafficDistribution: z.enum(['PreferClose', 'PreferSameZone', 'PreferSameNode']).nullish(),
});

/** Service of `v1`, with what the API server adds to a live one. */
export const serviceSchema = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: metadataSchema,
  spec: specSchema,
  status: z
    .strictObject({
      loadBalancer: z.strictObject({ ingress: z.array(ingressSchema).nullish() }).nullish(),
      conditions: z.array(z.unknown()).nullish(),
    })
    .nullish(),
});
export type ServiceObject = z.infer<typeof serviceSchema>;
