import type { TypeOf } from '@cilium-ts/manifest';
import { anything, flag, integer, listOf, mapOf, metadataShape, nullable, orNull, object, oneOf, optional, text } from '@cilium-ts/manifest';

const word = nullable(text());

const portShape = object({
  name: word,
  protocol: nullable(oneOf('TCP', 'UDP', 'SCTP')),
  port: nullable(integer(1, 65535)),
  appProtocol: word,
});
export type EndpointPortSpec = TypeOf<typeof portShape>;

const hintShape = nullable(listOf(object({ name: text() })));

const condition = nullable(flag);

const endpointShape = object({
  addresses: listOf(text(), 1),
  conditions: nullable(object({ ready: condition, serving: condition, terminating: condition })),
  hostname: word,
  targetRef: optional(anything),
  deprecatedTopology: nullable(mapOf(text())),
  nodeName: word,
  zone: word,
  hints: nullable(object({ forZones: hintShape, forNodes: hintShape })),
});
export type EndpointSpec = TypeOf<typeof endpointShape>;

/** EndpointSlice of `discovery.k8s.io/v1`. */
export const endpointSliceShape = object({
  apiVersion: oneOf('discovery.k8s.io/v1'),
  kind: oneOf('EndpointSlice'),
  metadata: metadataShape,
  addressType: oneOf('IPv4', 'IPv6', 'FQDN'),
  endpoints: orNull(listOf(endpointShape)),
  ports: nullable(listOf(portShape)),
});
export type EndpointSliceObject = TypeOf<typeof endpointSliceShape>;

const subsetAddressShape = object({ ip: text(), hostname: optional(text()), nodeName: word, targetRef: optional(anything) });
export type SubsetAddressSpec = TypeOf<typeof subsetAddressShape>;

const subsetShape = object({
  addresses: nullable(listOf(subsetAddressShape)),
  notReadyAddresses: nullable(listOf(subsetAddressShape)),
  ports: nullable(listOf(portShape)),
});
export type SubsetSpec = TypeOf<typeof subsetShape>;

/** Endpoints of `v1`. */
export const endpointsShape = object({
  apiVersion: oneOf('v1'),
  kind: oneOf('Endpoints'),
  metadata: metadataShape,
  subsets: nullable(listOf(subsetShape)),
});
export type EndpointsObject = TypeOf<typeof endpointsShape>;
