import { z } from 'zod';
import { Issue } from './common.ts';

const Port = z.number().int().min(0).max(65_535);

/** Transport protocols of services; `ANY` only in what is shown, for the entry that stands for every other port of an address. */
export const ServiceProtocol = z.enum(['TCP', 'UDP', 'SCTP', 'ANY']);
export type ServiceProtocol = z.infer<typeof ServiceProtocol>;

/** Where clients knock. `scope` is `internal` for the entry that only clients inside the cluster use. */
export const FrontendAddress = z.object({ ip: z.string(), port: Port, protocol: ServiceProtocol, scope: z.enum(['external', 'internal']) });
export type FrontendAddress = z.infer<typeof FrontendAddress>;

/** Whether new connections get a backend: `active` do, `terminating` ones only while there is no active one, the others do not. */
export const BackendState = z.enum(['active', 'terminating', 'quarantined', 'maintenance']);
export type BackendState = z.infer<typeof BackendState>;

/** Who answers. `weight` counts relative to the other backends (100 by default; 0 is maintenance). */
export const BackendAddress = z.object({
  ip: z.string(),
  port: Port,
  protocol: ServiceProtocol.optional(),
  nodeName: z.string().optional(),
  zone: z.string().optional(),
  /** As {@link BackendState}; `terminating-not-serving` only in what is shown. */
  state: z.enum([...BackendState.options, 'terminating-not-serving']).optional(),
  weight: z.number().int().min(0).max(65_535).optional(),
  /** Whether new connections may get it; only in what is shown. */
  preferred: z.boolean().optional(),
});
export type BackendAddress = z.infer<typeof BackendAddress>;

/** What kind of frontend it is. */
export const ServiceType = z.enum(['ClusterIP', 'NodePort', 'ExternalIPs', 'HostPort', 'LoadBalancer', 'LocalRedirect']);
export type ServiceType = z.infer<typeof ServiceType>;

const TrafficPolicy = z.enum(['Cluster', 'Local']);

/** What else is known of a service. Names are Cilium's; `sessionAffinity` is the timeout in seconds. */
export const ServiceFlags = z.object({
  type: ServiceType.optional(),
  name: z.string().optional(),
  namespace: z.string().optional(),
  extTrafficPolicy: TrafficPolicy.optional(),
  intTrafficPolicy: TrafficPolicy.optional(),
  /** How packets get to backends on other nodes; only in what is shown. */
  natPolicy: z.enum(['SNAT', 'DSR']).optional(),
  healthCheckNodePort: Port.optional(),
  /** How the agent asks backends whether they serve; those that do not answer are quarantined. */
  healthCheck: z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('tcp') }), z.strictObject({ kind: z.literal('http'), path: z.string().startsWith('/') })]).optional(),
  sessionAffinity: z.number().int().min(1).max(0xff_ffff).optional(),
  algorithm: z.enum(['random', 'maglev']).optional(),
  forwardingMode: z.enum(['snat', 'dsr']).optional(),
  sourceRanges: z.array(z.string()).optional(),
  sourceRangesPolicy: z.enum(['allow', 'deny']).optional(),
});
export type ServiceFlags = z.infer<typeof ServiceFlags>;

/** One frontend with its backends. Number 0: it is not in force, and its problem says why. */
export const ServiceSpec = z.object({ id: z.number().int(), 'frontend-address': FrontendAddress, 'backend-addresses': z.array(BackendAddress), flags: ServiceFlags });
export type ServiceSpec = z.infer<typeof ServiceSpec>;

/** A service as the API shows it. `source`: the file it comes from, or the API; `problem`: why it is not in force as written, or after `warning: ` what will hardly be meant. */
export const Service = z.object({
  spec: ServiceSpec,
  status: z.object({ realized: ServiceSpec, source: z.string(), problem: z.string().optional() }),
});
export type Service = z.infer<typeof Service>;

/**
 * Body of `PUT /service/{id}`: one frontend and all of its backends. The number in the path is the one that the datapath
 * uses; another service's is refused, as is another's frontend. Address 0.0.0.0 or :: with type NodePort or HostPort is
 * every address of the node.
 */
export const ServiceRequest = z.strictObject({
  id: z.number().int().min(1).max(65_535).optional(),
  'frontend-address': z.strictObject({ ip: z.string().min(1), port: Port.min(1), protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP') }),
  'backend-addresses': z.array(z.strictObject({ ...BackendAddress.omit({ preferred: true }).shape, port: Port.min(1), protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(), state: BackendState.optional() })),
  flags: z.strictObject(ServiceFlags.omit({ natPolicy: true }).shape).optional(),
});
export type ServiceRequest = z.input<typeof ServiceRequest>;

/** One file of the service folder. `last-accepted`: unusable now, its last accepted form is in force; `rejected`: unusable and no such form. */
export const ServiceFileStatus = z.object({ path: z.string(), status: z.enum(['accepted', 'last-accepted', 'rejected']), services: z.array(z.string()), issues: z.array(Issue) });
export type ServiceFileStatus = z.infer<typeof ServiceFileStatus>;

/** Body of `POST /service/explain`: a packet, or at a socket (`cookie`) a connection, to a service. */
export const ServiceFlow = z.strictObject({
  /** The client's address; or `cookie`, the number of its socket. */
  client: z.string().optional(),
  cookie: z.string().regex(/^\d{1,20}$/, 'a number').optional(),
  'client-port': Port.optional(),
  ip: z.string().min(1),
  port: Port,
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
  from: z.enum(['inside', 'outside']).optional(),
});
export type ServiceFlow = z.input<typeof ServiceFlow>;

/** Answer of `POST /service/explain`. `text` says for people how it came about. */
export const ServiceExplanation = z.object({
  verdict: z.string(),
  service: z.string().optional(),
  backend: z.string().optional(),
  text: z.string(),
});
export type ServiceExplanation = z.infer<typeof ServiceExplanation>;

/** `GET /bpf/lb`: one frontend in the kernel's maps, and the backends that new connections may get, with how often each stands in the run. */
export const BpfService = z.object({
  id: z.number().int(),
  frontend: FrontendAddress,
  flags: z.array(z.string()),
  pool: z.number().int(),
  generation: z.number().int(),
  'affinity-timeout': z.number().int(),
  'run-length': z.number().int(),
  backends: z.array(z.object({ index: z.number().int(), ip: z.string(), port: Port, protocol: z.string(), state: z.string(), generation: z.number().int(), share: z.number() })),
  'source-ranges': z.array(z.string()),
});
export type BpfService = z.infer<typeof BpfService>;
