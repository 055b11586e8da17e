import { z } from 'zod';
import { Labels } from './common.ts';

/** One entry of the address table: every address or prefix that has an identity. */
export const IpListEntry = z.object({
  cidr: z.string(), identity: z.number().int(), hostIP: z.string().optional(),
  metadata: z.object({ source: z.string(), namespace: z.string().optional(), name: z.string().optional() }).optional(),
});
export type IpListEntry = z.infer<typeof IpListEntry>;

/** A map of the datapath: pin path, kind, sizes in bytes and entries. */
export const BpfMap = z.object({
  name: z.string(), path: z.string(), type: z.string(), 'key-size': z.number().int(), 'value-size': z.number().int(), 'max-entries': z.number().int(),
});
export type BpfMap = z.infer<typeof BpfMap>;

/** One entry of a map: its bytes in hexadecimal, and decoded where the layout is known (bigints as decimal strings). */
export const BpfMapEntry = z.object({ key: z.string(), value: z.string(), 'decoded-key': z.unknown().optional(), 'decoded-value': z.unknown().optional() });
export type BpfMapEntry = z.infer<typeof BpfMapEntry>;

/** Answer of `GET /map/{name}`. `truncated` when more entries exist than were asked for. */
export const BpfMapDump = z.object({ ...BpfMap.shape, entries: z.array(BpfMapEntry), truncated: z.boolean() });
export type BpfMapDump = z.infer<typeof BpfMapDump>;

/** `GET /bpf/endpoint`: a slot of the datapath and who is in it. */
export const BpfEndpoint = z.object({
  slot: z.number().int(), 'endpoint-id': z.number().int(), ipv4: z.string().optional(), ipv6: z.string().optional(),
  'interface-index': z.number().int(), mac: z.string(), 'host-mac': z.string(), mtu: z.number().int(),
  identity: z.number().int(), generation: z.number().int(), 'policy-version': z.number().int(), 'policy-revision': z.number().int(), flags: z.array(z.string()),
});
export type BpfEndpoint = z.infer<typeof BpfEndpoint>;

/** `GET /bpf/policy`: one run of ports in force. Identity 0 stands for any identity without entries of its own. */
export const BpfPolicyEntry = z.object({
  'endpoint-id': z.number().int(), direction: z.enum(['ingress', 'egress']), identity: z.number().int(), labels: Labels,
  protocol: z.string(), ports: z.string(), action: z.enum(['allow', 'deny', 'deny-default']), match: z.string(),
});
export type BpfPolicyEntry = z.infer<typeof BpfPolicyEntry>;

/** One end of a flow. */
export const FlowEnd = z.object({ ip: z.string(), port: z.number().int(), identity: z.number().int().optional(), 'endpoint-id': z.number().int().optional() });
export type FlowEnd = z.infer<typeof FlowEnd>;

/** `GET /bpf/ct`: one connection the datapath remembers; `source` opened it. `age` is the seconds since its last packet. */
export const BpfFlow = z.object({ protocol: z.string(), source: FlowEnd, destination: FlowEnd, state: z.string(), verdict: z.string(), age: z.number().optional(), flags: z.array(z.string()) });
export type BpfFlow = z.infer<typeof BpfFlow>;

/** `GET /bpf/ipcache`: what the datapath knows about an address. */
export const BpfAddress = z.object({ prefix: z.string(), kind: z.enum(['local', 'remote', 'host']), identity: z.number().int(), labels: Labels, 'endpoint-id': z.number().int().optional() });
export type BpfAddress = z.infer<typeof BpfAddress>;

/** `GET /bpf/metrics`: packets and bytes by reason and direction. Reason 0 is forwarded. */
export const BpfMetric = z.object({ reason: z.number().int(), 'reason-name': z.string(), direction: z.enum(['unknown', 'ingress', 'egress']), packets: z.number(), bytes: z.number() });
export type BpfMetric = z.infer<typeof BpfMetric>;
