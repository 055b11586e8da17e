import { z } from 'zod';
import { AddressPair, IdentityModel, Labels } from './common.ts';

/** States of an endpoint's life. */
export const EndpointState = z.enum([
  'waiting-for-identity', 'not-ready', 'waiting-to-regenerate', 'regenerating', 'restoring', 'ready', 'disconnecting', 'disconnected', 'invalid',
]);
export type EndpointState = z.infer<typeof EndpointState>;

/** Labels set by the user, before the identity-relevant ones are picked. */
export const LabelConfigurationSpec = z.object({ user: Labels });

/** Which of an endpoint's labels make its identity and which are kept as information only. */
export const LabelConfigurationStatus = z.object({ realized: LabelConfigurationSpec, 'security-relevant': Labels, derived: Labels.optional(), disabled: Labels.optional() });

/** Answer of `GET /endpoint/{id}/labels`. */
export const LabelConfiguration = z.object({ spec: LabelConfigurationSpec, status: LabelConfigurationStatus });
export type LabelConfiguration = z.infer<typeof LabelConfiguration>;

/** Options of one endpoint, by Cilium's names; the one understood is `PolicyAuditMode` (`Enabled` or `Disabled`). */
export const EndpointOptions = z.record(z.string(), z.string());

/** What was asked of an endpoint. */
export const EndpointConfigurationSpec = z.object({ options: EndpointOptions.optional(), 'label-configuration': LabelConfigurationSpec });

/** Directions in which policy is enforced. */
export const PolicyEnabled = z.enum(['none', 'ingress', 'egress', 'both', 'audit-ingress', 'audit-egress', 'audit-both']);
export type PolicyEnabled = z.infer<typeof PolicyEnabled>;

/** One side (asked or in force) of an endpoint's policy. Identity lists hold peers with some traffic allowed. */
export const EndpointPolicy = z.object({
  'policy-revision': z.number().int(),
  id: z.number().int().optional(),
  'policy-enabled': PolicyEnabled,
  'allowed-ingress-identities': z.array(z.number().int()).optional(),
  'denied-ingress-identities': z.array(z.number().int()).optional(),
  'allowed-egress-identities': z.array(z.number().int()).optional(),
  'denied-egress-identities': z.array(z.number().int()).optional(),
});
export type EndpointPolicy = z.infer<typeof EndpointPolicy>;

/** One step of an endpoint's history. */
export const EndpointStatusChange = z.object({ timestamp: z.string(), code: z.enum(['ok', 'failed']), message: z.string(), state: EndpointState });
export type EndpointStatusChange = z.infer<typeof EndpointStatusChange>;

/** `OK`; `Bootstrap`/`Pending` while work is under way; `Warning`: an older policy is in force; `Failure`: locked down; `Disabled`: no traffic. */
export const EndpointHealthStatus = z.enum(['OK', 'Bootstrap', 'Pending', 'Warning', 'Failure', 'Disabled']);
export type EndpointHealthStatus = z.infer<typeof EndpointHealthStatus>;

/** Answer of `GET /endpoint/{id}/healthz`. `connected` is whether its device exists and is up. */
export const EndpointHealth = z.object({ overallHealth: EndpointHealthStatus, bpf: EndpointHealthStatus, policy: EndpointHealthStatus, connected: z.boolean() });
export type EndpointHealth = z.infer<typeof EndpointHealth>;

/** How the endpoint is wired. Both interface names are given: host side and container side. */
export const EndpointNetworking = z.object({
  addressing: z.array(AddressPair),
  'host-mac': z.string(),
  mac: z.string(),
  'interface-name': z.string(),
  'interface-index': z.number().int(),
  'container-interface-name': z.string(),
  'container-netns-path': z.string().optional(),
});

/** Names that others know the endpoint by. */
export const EndpointIdentifiers = z.object({
  'container-id': z.string().optional(), 'container-name': z.string().optional(), 'pod-name': z.string().optional(), 'k8s-pod-name': z.string().optional(), 'k8s-namespace': z.string().optional(),
});

/** What an endpoint is at this moment. */
export const EndpointStatus = z.object({
  state: EndpointState,
  'external-identifiers': EndpointIdentifiers,
  identity: IdentityModel.optional(),
  labels: LabelConfigurationStatus,
  realized: EndpointConfigurationSpec.optional(),
  networking: EndpointNetworking,
  policy: z.object({ spec: EndpointPolicy, realized: EndpointPolicy }),
  log: z.array(EndpointStatusChange),
  health: EndpointHealth,
});

/** An endpoint as the API shows it. */
export const Endpoint = z.object({ id: z.number().int(), spec: EndpointConfigurationSpec, status: EndpointStatus });
export type Endpoint = z.infer<typeof Endpoint>;

const hostName = /^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$/i;

/**
 * Body of `PUT /endpoint/{id}`: attach a network namespace. `container-netns-path` is a path, or a bare name as `ip netns` knows it.
 * Addresses left out are taken from the node's pools. `container-name` is the name people use; with `k8s-namespace` it makes the pod name.
 */
export const EndpointChangeRequest = z.strictObject({
  id: z.number().int().min(0).max(65_535).optional(),
  'container-id': z.string().max(256).optional(),
  'container-name': z.string().max(253).regex(hostName, 'letters, digits, "-", "." and "_", beginning and ending with a letter or digit').optional(),
  'container-netns-path': z.string().min(1),
  'container-interface-name': z.string().regex(/^[^\s/:]{1,15}$/, 'at most 15 characters, without blanks, "/" and ":"').optional(),
  'interface-name': z.string().regex(/^[^\s/:]{1,15}$/, 'at most 15 characters, without blanks, "/" and ":"').optional(),
  'k8s-pod-name': z.string().max(253).optional(),
  'k8s-namespace': z.string().max(63).optional(),
  labels: Labels,
  addressing: AddressPair.optional(),
  mac: z.string().optional(),
  mtu: z.number().int().min(1280).max(65_520).optional(),
  options: EndpointOptions.optional(),
});
export type EndpointChangeRequest = z.infer<typeof EndpointChangeRequest>;

/** Body of `PATCH /endpoint/{id}`: what may change while an endpoint lives. Labels replace those given before. */
export const EndpointPatchRequest = z.strictObject({ labels: Labels.optional(), options: EndpointOptions.optional() });
export type EndpointPatchRequest = z.infer<typeof EndpointPatchRequest>;
