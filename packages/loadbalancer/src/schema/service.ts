import type { TypeOf } from '@cilium-ts/manifest';
import { anything, flag, integer, intOrText, listOf, mapOf, metadataShape, nullable, object, oneOf, optional, text } from '@cilium-ts/manifest';

const line = optional(text());
const word = nullable(text());
const words = nullable(listOf(text()));
const policy = oneOf('Cluster', 'Local');
const port = optional(integer(0, 65535));

const servicePortShape = object({
  name: line,
  protocol: optional(oneOf('TCP', 'UDP', 'SCTP')),
  appProtocol: word,
  port: integer(1, 65535),
  targetPort: optional(intOrText),
  nodePort: port,
});
export type ServicePortSpec = TypeOf<typeof servicePortShape>;

const ingressShape = object({ ip: line, hostname: line, ipMode: nullable(oneOf('VIP', 'Proxy')), ports: nullable(listOf(anything)) });

const affinityConfigShape = object({ clientIP: nullable(object({ timeoutSeconds: nullable(integer(1, 86400)) })) });

const specShape = object({
  type: optional(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName')),
  ports: nullable(listOf(servicePortShape)),
  selector: nullable(mapOf(text())),
  clusterIP: line,
  clusterIPs: words,
  externalIPs: words,
  externalName: line,
  loadBalancerIP: line,
  loadBalancerClass: word,
  loadBalancerSourceRanges: words,
  allocateLoadBalancerNodePorts: nullable(flag),
  sessionAffinity: optional(oneOf('None', 'ClientIP')),
  sessionAffinityConfig: nullable(affinityConfigShape),
  externalTrafficPolicy: optional(policy),
  internalTrafficPolicy: nullable(policy),
  healthCheckNodePort: port,
  publishNotReadyAddresses: optional(flag),
  ipFamilies: nullable(listOf(oneOf('IPv4', 'IPv6'))),
  ipFamilyPolicy: nullable(oneOf('SingleStack', 'PreferDualStack', 'RequireDualStack')),
  trafficDistribution: nullable(oneOf('PreferClose', 'PreferSameZone', 'PreferSameNode')),
});

/** Service of `v1`, with what the API server adds to a live one. */
export const serviceShape = object({
  apiVersion: oneOf('v1'),
  kind: oneOf('Service'),
  metadata: metadataShape,
  spec: specShape,
  status: nullable(object({ loadBalancer: nullable(object({ ingress: nullable(listOf(ingressShape)) })), conditions: nullable(listOf(anything)) })),
});
export type ServiceObject = TypeOf<typeof serviceShape>;
