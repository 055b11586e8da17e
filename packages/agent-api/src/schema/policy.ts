import { z } from 'zod';
import { Issue, Labels } from './common.ts';

/** The kinds of policy resource the agent takes. */
export const PolicyKind = z.enum([
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
  'CiliumCIDRGroup',
  'NetworkPolicy',
  'ClusterNetworkPolicy',
  'AdminNetworkPolicy',
  'BaselineAdminNetworkPolicy',
]);
export type PolicyKind = z.infer<typeof PolicyKind>;

/** One policy resource as held by the agent. `outdated`: its file is broken or gone unreadable and the last accepted form is in force. */
export const PolicyResourceStatus = z.object({
  kind: PolicyKind,
  namespace: z.string().optional(),
  name: z.string(),
  key: z.string(),
  source: z.enum(['file', 'api']),
  file: z.string().optional(),
  status: z.enum(['accepted', 'outdated']),
  document: z.unknown(),
});
export type PolicyResourceStatus = z.infer<typeof PolicyResourceStatus>;

/** One file of the policy folder. `last-accepted`: unusable now, its last accepted form is in force; `rejected`: unusable and no such form. */
export const PolicyFileStatus = z.object({ path: z.string(), status: z.enum(['accepted', 'last-accepted', 'rejected']), issues: z.array(Issue) });
export type PolicyFileStatus = z.infer<typeof PolicyFileStatus>;

/** Answer of `GET /policy`. `policy` is a JSON array of the documents as written; `realized-revision` is the lowest any endpoint has in force. */
export const Policy = z.object({
  revision: z.number().int(),
  'realized-revision': z.number().int(),
  policy: z.string(),
  resources: z.array(PolicyResourceStatus),
  files: z.array(PolicyFileStatus),
});
export type Policy = z.infer<typeof Policy>;

/** Answer of `PUT /policy` and `DELETE /policy`. `failures` names endpoints that the change could not be put in force for. */
export const PolicyChange = z.object({
  revision: z.number().int(),
  resources: z.array(z.string()),
  issues: z.array(Issue),
  failures: z.array(z.object({ 'endpoint-id': z.number().int(), reason: z.string(), message: z.string() })),
});
export type PolicyChange = z.infer<typeof PolicyChange>;

/** One selector in use and the identities it stands for now. */
export const SelectorIdentityMapping = z.object({ selector: z.string(), identities: z.array(z.number().int()), users: z.number().int() });
export type SelectorIdentityMapping = z.infer<typeof SelectorIdentityMapping>;

/**
 * A service that policies may refer to: by name or by its own labels. It means the pods that have the labels of its
 * selector, in its namespace; without one, `addresses` (prefixes).
 */
export const PolicyService = z.object({
  namespace: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  selector: z.record(z.string(), z.string()).optional(),
  addresses: z.array(z.string()),
});
export type PolicyService = z.infer<typeof PolicyService>;

/** One end of a traced connection: exactly one of these. A service (`namespace/name`) is everybody behind it, a name whatever it leads to. */
export const TracePeer = z.union([
  z.strictObject({ labels: Labels }),
  z.strictObject({ endpoint: z.union([z.number().int(), z.string()]) }),
  z.strictObject({ identity: z.number().int() }),
  z.strictObject({ ip: z.string() }),
  z.strictObject({ service: z.string() }),
  z.strictObject({ name: z.string() }),
]);
export type TracePeer = z.infer<typeof TracePeer>;

/** A request over a traced connection. */
export const TraceL7 = z.union([
  z.strictObject({ http: z.strictObject({ method: z.string(), path: z.string(), host: z.string().optional(), headers: z.record(z.string(), z.string()).optional() }) }),
  z.strictObject({ kafka: z.strictObject({ 'api-key': z.number().int(), 'api-version': z.number().int().optional(), 'client-id': z.string().optional(), topics: z.array(z.string()).optional() }) }),
  z.strictObject({ dns: z.strictObject({ name: z.string() }) }),
  z.strictObject({ generic: z.strictObject({ parser: z.string(), fields: z.record(z.string(), z.string()) }) }),
]);
export type TraceL7 = z.infer<typeof TraceL7>;

/** Body of `POST /policy/trace`: may `from` open this to `to`? ICMP takes `icmp-type`, protocols without ports take neither. */
export const TraceRequest = z.strictObject({
  from: TracePeer, to: TracePeer,
  protocol: z.enum(['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6']).default('TCP'),
  port: z.number().int().min(0).max(65_535).optional(),
  'port-name': z.string().optional(),
  'icmp-type': z.number().int().min(0).max(255).optional(),
  l7: TraceL7.optional(),
  'server-name': z.string().optional(),
});
export type TraceRequest = z.input<typeof TraceRequest>;

/** The rule that decides: where it stands in which file. */
export const TraceRule = z.object({
  resource: z.string(), file: z.string().optional(), line: z.number().int().optional(), field: z.string().optional(),
  action: z.enum(['allow', 'deny', 'pass']).optional(), entry: z.string().optional(), index: z.number().int().optional(), tier: z.enum(['admin', 'normal', 'baseline']).optional(), priority: z.number().int().optional(),
  labels: z.array(z.string()).optional(), log: z.string().optional(), description: z.string().optional(),
});
export type TraceRule = z.infer<typeof TraceRule>;

/** A rule that selects the endpoint, and what it had to do with the verdict. */
export const TraceCandidate = z.object({
  rule: TraceRule,
  outcome: z.enum(['matched', 'peer', 'port', 'nobody']),
  detail: z.string(),
  effect: z.enum(['decides', 'agrees', 'redirects', 'passes', 'shadowed']).optional(),
  shadow: z.object({ why: z.string(), by: TraceRule.optional() }).optional(),
  l7: z.object({ parser: z.string(), matches: z.boolean().optional(), index: z.number().int().optional(), detail: z.string() }).optional(),
});
export type TraceCandidate = z.infer<typeof TraceCandidate>;

/** What one direction of the policy says. */
export const TraceDirection = z.object({ 
  verdict: z.enum(['allowed', 'denied']), enforced: z.boolean(), reason: z.string(), rule: TraceRule.optional(),
  /** The proxy that takes the connection, and whether it lets the request pass where that is known. */
  redirect: z.object({ parser: z.string(), passes: z.boolean().optional(), 'server-names': z.array(z.string()).optional() }).optional(),
  /** Why what no rule allows is denied, and the rules that ask for it. */
  'default-deny': z.object({ why: z.string(), rules: z.array(TraceRule) }).optional(),
  log: z.array(z.string()).optional(),
  candidates: z.array(TraceCandidate).optional(),
});
export type TraceDirection = z.infer<typeof TraceDirection>;

/** Answer of `POST /policy/trace`. Of ends that are several identities it is the first denied pair, else the first; `text` has all of them, for people. */
export const TraceResult = z.object({
  verdict: z.enum(['allowed', 'denied']),
  from: z.object({ identity: z.number().int(), labels: Labels }),
  to: z.object({ identity: z.number().int(), labels: Labels }),
  egress: TraceDirection, ingress: TraceDirection, text: z.string(),
});
export type TraceResult = z.infer<typeof TraceResult>;
