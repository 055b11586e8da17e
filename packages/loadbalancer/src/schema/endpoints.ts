import { z } from 'zod';
import { metadataSchema } from './metadata.ts';

const text = z.string();
const protocol = z.enum(['TCP', 'UDP', 'SCTP']);

const portSchema = z.strictObject({
  name: text.nullish(),
  protocol: protocol.nullish(),
  port: z.int().min(1).max(65535).nullish(),
  appProtocol: text.nullish(),
});
export type EndpointPortSpec = z.infer<typeof portSchema>;

const hintSchema = z.array(z.strictObject({ name: text })).nullish();

const endpointSchema = z.strictObject({
  addresses: z.array(text).min(1),
  conditions: z.strictObject({ ready: z.boolean().nullish(), serving: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
  hostname: text.nullish(),
  targetRef: z.unknown().optional(),
  deprecatedTopology: z.record(z.string(), z.string()).nullish(),
  nodeName: text.nullish(),
  zone: text.nullish(),
  hints: z.strictObject({ forZones: hintSchema, forNodes: hintSchema }).nullish(),
});
export type EndpointSpec = z.infer<typeof endpointSchema>;

/** EndpointSlice of `discovery.k8s.io/v1`. */
export const endpointSliceSchema = z.strictObject({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  metadata: metadataSchema,
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z.array(endpointSchema).nullable(),
  ports: z.array(portSchema).nullish(),
});
export type EndpointSliceObject = z.infer<typeof endpointSliceSchema>;

const subsetAddressSchema = z.strictObject({ ip: text, hostname: text.optional(), nodeName: text.nullish(), targetRef: z.unknown().optional() });
export type SubsetAddressSpec = z.infer<typeof subsetAddressSchema>;

const subsetSchema = z.strictObject({
  addresses: z.array(subsetAddressSchema).nullish(),
  notReadyAddresses: z.array(subsetAddressSchema).nullish(),
  ports: z.array(portSchema).nullish(),
});
export type SubsetSpec = z.infer<typeof subsetSchema>;

/** Endpoints of `v1`. */
export const endpointsSchema = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Endpoints'),
  metadata: metadataSchema,
  subsets: z.array(subsetSchema).nullish(),
});
export type EndpointsObject = z.infer<typeof endpointsSchema>;
