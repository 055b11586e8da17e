import { z } from 'zod';
import { Status } from './common.ts';

const AddressingElement = z.object({ enabled: z.boolean(), ip: z.string().optional(), 'alloc-range': z.string().optional() });

/** The node's own addresses and pools. */
export const NodeAddressing = z.object({ ipv4: AddressingElement, ipv6: AddressingElement });
export type NodeAddressing = z.infer<typeof NodeAddressing>;

/** One recurring piece of work of the agent and how it fares. */
export const ControllerStatus = z.object({
  name: z.string(),
  status: z.object({
    'success-count': z.number().int(), 'last-success-timestamp': z.string().optional(),
    'failure-count': z.number().int(), 'last-failure-timestamp': z.string().optional(),
    'consecutive-failure-count': z.number().int(), 'last-failure-msg': z.string().optional(),
  }),
});
export type ControllerStatus = z.infer<typeof ControllerStatus>;

/** State of the event stream: ring buffer size, events lost so far, readers connected. */
export const MonitorStatus = z.object({ size: z.number().int(), lost: z.number().int(), listeners: z.number().int() });

/** Answer of `GET /healthz`: the whole agent, and each part of it by name. */
export const StatusResponse = z.object({
  version: z.string(),
  pid: z.number().int(),
  'start-time': z.string(),
  cilium: Status,
  parts: z.record(z.string(), Status),
  policy: Status,
  services: Status,
  datapath: Status,
  endpoints: z.object({ total: z.number().int(), ready: z.number().int(), 'not-ready': z.number().int(), failing: z.array(z.number().int()) }),
  addressing: NodeAddressing,
  ipam: z.object({ ipv4: z.array(z.string()), ipv6: z.array(z.string()), status: z.string() }),
  nodeMonitor: MonitorStatus,
  'policy-revision': z.number().int(),
  masquerading: z.object({ enabled: z.boolean(), enabledProtocols: z.object({ ipv4: z.boolean(), ipv6: z.boolean() }), mode: z.string() }),
  'identity-range': z.object({ 'min-identity': z.number().int(), 'max-identity': z.number().int() }),
  'bpf-maps': z.array(z.object({ name: z.string(), size: z.number().int(), used: z.number().int().optional() })),
  controllers: z.array(ControllerStatus),
  warnings: z.array(z.string()),
});
export type StatusResponse = z.infer<typeof StatusResponse>;

/** Enforcement mode. */
export const PolicyEnforcement = z.enum(['default', 'always', 'never']);
export type PolicyEnforcement = z.infer<typeof PolicyEnforcement>;

/** What `PATCH /config` may change while the agent runs: the enforcement mode, and the options `PolicyAuditMode` and `Debug`. */
export const DaemonConfigurationSpec = z.strictObject({ options: z.record(z.string(), z.string()).optional(), 'policy-enforcement': PolicyEnforcement.optional() });
export type DaemonConfigurationSpec = z.infer<typeof DaemonConfigurationSpec>;

/** Answer of `GET /config`: what is in force, and every setting with its value (`daemonConfigurationMap`, by flag name). */
export const DaemonConfiguration = z.object({
  spec: DaemonConfigurationSpec,
  status: z.object({
    realized: DaemonConfigurationSpec,
    addressing: NodeAddressing,
    nodeMonitor: MonitorStatus,
    deviceMTU: z.number().int(),
    masquerade: z.boolean(),
    daemonConfigurationMap: z.record(z.string(), z.unknown()),
    sources: z.record(z.string(), z.string()),
  }),
});
export type DaemonConfiguration = z.infer<typeof DaemonConfiguration>;

/** One sample of the agent's metrics. */
export const Metric = z.object({ name: z.string(), labels: z.record(z.string(), z.string()), value: z.number() });
export type Metric = z.infer<typeof Metric>;
