import { z } from 'zod';
import { Labels } from './common.ts';

/** One end of a reported packet, as far as the datapath and the agent know it. `port` is absent where the protocol has none. */
export const MonitorEnd = z.object({ ip: z.string().optional(), port: z.number().int().optional(), identity: z.number().int(), labels: Labels, 'endpoint-id': z.number().int().optional(), name: z.string().optional() });
export type MonitorEnd = z.infer<typeof MonitorEnd>;

const packet = {
  timestamp: z.string(),
  source: MonitorEnd,
  destination: MonitorEnd,
  protocol: z.string(),
  family: z.union([z.literal(4), z.literal(6)]).optional(),
  direction: z.enum(['unknown', 'ingress', 'egress']),
  'endpoint-id': z.number().int().optional(),
  'interface-index': z.number().int().optional(),
  length: z.number().int().optional(),
  'tcp-flags': z.array(z.string()).optional(),
  'icmp-type': z.number().int().optional(),
  'icmp-code': z.number().int().optional(),
};

/** A packet dropped, with the reason. */
export const DropEvent = z.object({ type: z.literal('drop'), ...packet, reason: z.number().int(), 'reason-name': z.string() });
/** A packet judged by policy. */
export const PolicyVerdictEvent = z.object({ type: z.literal('policy-verdict'), ...packet, action: z.enum(['allow', 'deny', 'audit']), match: z.string(), reason: z.number().int().optional(), 'reason-name': z.string().optional() });
/** A packet forwarded: where it was seen and why it was let through. */
export const TraceEvent = z.object({ type: z.literal('trace'), ...packet, point: z.string(), reason: z.string() });
/** Something the agent did. */
export const AgentEvent = z.object({ type: z.literal('agent'), timestamp: z.string(), kind: z.string(), message: z.string(), 'endpoint-id': z.number().int().optional() });
/** Events that did not reach this reader: lost in the kernel's ring buffer, or because the reader was slow. */
export const LostEvent = z.object({ type: z.literal('lost'), timestamp: z.string(), where: z.enum(['kernel', 'reader']), count: z.number().int() });
/** First line of every stream. `missed` is how many events went by before this reader came. */
export const StartEvent = z.object({ type: z.literal('start'), timestamp: z.string(), since: z.string(), missed: z.number().int() });

/** One line of `GET /monitor`. */
export const MonitorEvent = z.discriminatedUnion('type', [DropEvent, PolicyVerdictEvent, TraceEvent, AgentEvent, LostEvent, StartEvent]);
export type MonitorEvent = z.infer<typeof MonitorEvent>;
export type DropEvent = z.infer<typeof DropEvent>;
export type PolicyVerdictEvent = z.infer<typeof PolicyVerdictEvent>;
export type TraceEvent = z.infer<typeof TraceEvent>;
export type AgentEvent = z.infer<typeof AgentEvent>;
export type LostEvent = z.infer<typeof LostEvent>;
export type StartEvent = z.infer<typeof StartEvent>;

/** Event types that may be asked for; `start` and `lost` always come. */
export const MonitorType = z.enum(['drop', 'policy-verdict', 'trace', 'agent']);
export type MonitorType = z.infer<typeof MonitorType>;

/** Query of `GET /monitor`. Lists are comma-separated. `related-to` keeps events with the endpoint at either end. */
export const MonitorQuery = z.strictObject({ type: z.string().optional(), 'related-to': z.coerce.number().int().optional() });
export type MonitorQuery = z.infer<typeof MonitorQuery>;
