import { ServiceRequest } from '@cilium-ts/agent-api';
import { z } from 'zod';

/** Version of every document under the state folder; another is set aside like a corrupt one. */
const version = z.literal(1);

/** `endpoints/<id>.json`: an endpoint as it must come back. `phase` says how far it had come. */
export const EndpointRecord = z.strictObject({
  version,
  id: z.number().int().min(1).max(65_535),
  slot: z.number().int().min(0),
  phase: z.enum(['creating', 'ready', 'deleting']),
  created: z.string(),
  name: z.string().optional(),
  containerId: z.string().optional(),
  podName: z.string().optional(),
  namespace: z.string().optional(),
  labels: z.array(z.string()),
  identity: z.number().int(),
  options: z.record(z.string(), z.string()),
  netns: z.strictObject({ path: z.string(), id: z.string() }),
  device: z.strictObject({ name: z.string(), index: z.number().int(), mac: z.string(), containerName: z.string(), containerMac: z.string(), mtu: z.number().int() }),
  ipv4: z.string().optional(),
  ipv6: z.string().optional(),
});
export type EndpointRecord = z.infer<typeof EndpointRecord>;

/** `policy/<file name>.json`: the last accepted form of a policy file; null: it had one that is lost. */
export const PolicyFileRecord = z.strictObject({ version, name: z.string(), text: z.string().nullable() });
export type PolicyFileRecord = z.infer<typeof PolicyFileRecord>;

/** `policy-api.json`: what was imported over the API, all of it, so that an import is there as a whole or not at all. */
export const ApiPolicyRecord = z.strictObject({
  version,
  resources: z.array(z.strictObject({ file: z.string(), document: z.unknown() })),
  /** Files set aside whose policies are unknown: as long as one is there, every endpoint is locked down. */
  lost: z.array(z.string()),
});
export type ApiPolicyRecord = z.infer<typeof ApiPolicyRecord>;

/** `host.json`: what the agent changed outside of its own devices and maps, with what was there before. */
export const HostRecord = z.strictObject({
  version,
  sysctls: z.record(z.string(), z.string()),
  /** Devices the agent made, by name with their index. */
  devices: z.record(z.string(), z.number().int()),
  masquerade: z.boolean(),
  bpffsMount: z.string().optional(),
  routes: z.array(z.string()),
  /** Indexes of devices towards the outside that have programs. */
  uplinks: z.array(z.number().int()).default([]),
  /** Policy folders that have been read to the end once: if one is gone later, that changes nothing. */
  policyFolders: z.array(z.string()),
});
export type HostRecord = z.infer<typeof HostRecord>;

/** `service/<file name>.json`: the last accepted form of a service file. */
export const ServiceFileRecord = z.strictObject({ version, name: z.string(), text: z.string() });
export type ServiceFileRecord = z.infer<typeof ServiceFileRecord>;

/** `service-api/<id>.json`: a service given over the API, as it was asked for. */
export const ApiServiceRecord = z.strictObject({ version, id: z.number().int().min(1).max(65_535), created: z.number().int(), request: ServiceRequest });
export type ApiServiceRecord = z.infer<typeof ApiServiceRecord>;
