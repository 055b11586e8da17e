import { operations } from './operations.ts';
import type { IdentityModel } from './schema/common.ts';
import type { DaemonConfiguration, DaemonConfigurationSpec, Metric, StatusResponse } from './schema/daemon.ts';
import type { Endpoint, EndpointChangeRequest, EndpointHealth, EndpointPatchRequest, EndpointStatusChange, LabelConfiguration } from './schema/endpoint.ts';
import type { BpfAddress, BpfEndpoint, BpfFlow, BpfMap, BpfMapDump, BpfMetric, BpfPolicyEntry, IpListEntry } from './schema/maps.ts';
import type { MonitorEvent, MonitorType } from './schema/monitor.ts';
import type { Policy, PolicyChange, PolicyKind, PolicyService, SelectorIdentityMapping, TraceRequest, TraceResult } from './schema/policy.ts';
import type { Prefilter, PrefilterChange } from './schema/prefilter.ts';
import type { BpfService, Service, ServiceExplanation, ServiceFileStatus, ServiceFlow, ServiceRequest } from './schema/service.ts';
import { createTransport } from './transport.ts';

/** Every call may be cut short; it then rejects with the signal's reason. */
export interface CallOptions { readonly signal?: AbortSignal }

/** An endpoint's number, or one of the named forms (`container-name:web`, `ipv4:10.0.0.7`, …). */
export type EndpointRef = number | string;

/** Where the agent listens and how long to wait for an answer (milliseconds; 60,000 by default). */
export interface AgentClientOptions { readonly socketPath: string; readonly timeoutMs?: number }

/** Typed calls to one agent. All throw {@link AgentApiError}. */
export interface AgentClient extends AsyncDisposable {
  healthz(options?: CallOptions): Promise<StatusResponse>;
  config(options?: CallOptions): Promise<DaemonConfiguration>;
  patchConfig(change: DaemonConfigurationSpec, options?: CallOptions): Promise<DaemonConfiguration>;
  /** `labels` in text form; an endpoint must carry all of them. */
  listEndpoints(filter?: { readonly labels?: readonly string[] }, options?: CallOptions): Promise<Endpoint[]>;
  getEndpoint(id: EndpointRef, options?: CallOptions): Promise<Endpoint>;
  /** Resolves when the endpoint is ready: its policy is in the kernel. */
  createEndpoint(request: EndpointChangeRequest, options?: CallOptions): Promise<Endpoint>;
  patchEndpoint(id: EndpointRef, change: EndpointPatchRequest, options?: CallOptions): Promise<Endpoint>;
  /** Resolves to what could not be undone; the endpoint is gone in any case. */
  deleteEndpoint(id: EndpointRef, options?: CallOptions): Promise<{ errors: string[] }>;
  getEndpointLabels(id: EndpointRef, options?: CallOptions): Promise<LabelConfiguration>;
  setEndpointLabels(id: EndpointRef, labels: readonly string[], options?: CallOptions): Promise<LabelConfiguration>;
  getEndpointLog(id: EndpointRef, options?: CallOptions): Promise<EndpointStatusChange[]>;
  getEndpointHealth(id: EndpointRef, options?: CallOptions): Promise<EndpointHealth>;
  listIdentities(filter?: { readonly labels?: readonly string[] }, options?: CallOptions): Promise<IdentityModel[]>;
  getIdentity(id: number | string, options?: CallOptions): Promise<IdentityModel>;
  listIdentityEndpoints(options?: CallOptions): Promise<{ identity: IdentityModel; refCount: number }[]>;
  getPolicy(options?: CallOptions): Promise<Policy>;
  /** Imports YAML or JSON documents, all or none. `file` is the name that messages about them use. */
  importPolicy(text: string, source?: { readonly file?: string }, options?: CallOptions): Promise<PolicyChange>;
  deletePolicy(which: { readonly kind: PolicyKind; readonly name: string; readonly namespace?: string }, options?: CallOptions): Promise<PolicyChange>;
  listSelectors(options?: CallOptions): Promise<SelectorIdentityMapping[]>;
  listPolicyServices(options?: CallOptions): Promise<PolicyService[]>;
  tracePolicy(request: TraceRequest, options?: CallOptions): Promise<TraceResult>;
  listServices(options?: CallOptions): Promise<Service[]>;
  getService(id: number, options?: CallOptions): Promise<Service>;
  /** Creates or replaces; resolves when it is in force. */
  putService(id: number, request: ServiceRequest, options?: CallOptions): Promise<Service>;
  deleteService(id: number, options?: CallOptions): Promise<{ id: number }>;
  listServiceFiles(options?: CallOptions): Promise<ServiceFileStatus[]>;
  explainService(flow: ServiceFlow, options?: CallOptions): Promise<ServiceExplanation>;
  getPrefilter(options?: CallOptions): Promise<Prefilter>;
  /** Adds prefixes; with a revision only if it is still the present one. */
  addPrefilter(change: PrefilterChange, options?: CallOptions): Promise<Prefilter>;
  removePrefilter(change: PrefilterChange, options?: CallOptions): Promise<Prefilter>;
  listBpfServices(options?: CallOptions): Promise<BpfService[]>;
  listIps(filter?: { readonly cidr?: string }, options?: CallOptions): Promise<IpListEntry[]>;
  listMaps(options?: CallOptions): Promise<BpfMap[]>;
  getMap(name: string, limits?: { readonly limit?: number }, options?: CallOptions): Promise<BpfMapDump>;
  listBpfEndpoints(options?: CallOptions): Promise<BpfEndpoint[]>;
  listBpfPolicy(filter?: { readonly endpoint?: EndpointRef }, options?: CallOptions): Promise<BpfPolicyEntry[]>;
  listBpfFlows(limits?: { readonly limit?: number }, options?: CallOptions): Promise<BpfFlow[]>;
  listBpfAddresses(options?: CallOptions): Promise<BpfAddress[]>;
  listBpfMetrics(options?: CallOptions): Promise<BpfMetric[]>;
  /** Samples whose name contains `match`. */
  listMetrics(filter?: { readonly match?: string }, options?: CallOptions): Promise<Metric[]>;
  /** Prometheus text. */
  metricsText(options?: CallOptions): Promise<string>;
  /** Events as they happen. The first is `start`; leaving the loop ends the stream. */
  monitor(filter?: { readonly types?: readonly MonitorType[]; readonly relatedTo?: number }, options?: CallOptions): AsyncIterable<MonitorEvent>;
  close(): Promise<void>;
}

const joined = (labels: readonly string[] | undefined): string | undefined => (labels && labels.length > 0 ? labels.join(',') : undefined);

/** A client of the agent that listens on `socketPath`. Opens nothing until the first call. */
export const createAgentClient = ({ socketPath, timeoutMs = 60_000 }: AgentClientOptions): AgentClient => {
  const { call, stream, text, close } = createTransport({ socketPath, timeoutMs });
  const one = (id: EndpointRef): { params: { id: string } } => ({ params: { id: String(id) } });
  return {
    healthz: (options) => call(operations.getHealthz, { ...options }),
    config: (options) => call(operations.getConfig, { ...options }),
    patchConfig: (change, options) => call(operations.patchConfig, { body: change, ...options }),
    listEndpoints: (filter, options) => call(operations.listEndpoints, { query: { labels: joined(filter?.labels) }, ...options }),
    getEndpoint: (id, options) => call(operations.getEndpoint, { ...one(id), ...options }),
    createEndpoint: (request, options) => call(operations.putEndpoint, { ...one(request.id ?? 0), body: request, ...options }),
    patchEndpoint: (id, change, options) => call(operations.patchEndpoint, { ...one(id), body: change, ...options }),
    deleteEndpoint: (id, options) => call(operations.deleteEndpoint, { ...one(id), ...options }),
    getEndpointLabels: (id, options) => call(operations.getEndpointLabels, { ...one(id), ...options }),
    setEndpointLabels: (id, labels, options) => call(operations.patchEndpointLabels, { ...one(id), body: { user: labels }, ...options }),
    getEndpointLog: (id, options) => call(operations.getEndpointLog, { ...one(id), ...options }),
    getEndpointHealth: (id, options) => call(operations.getEndpointHealth, { ...one(id), ...options }),
    listIdentities: (filter, options) => call(operations.listIdentities, { query: { labels: joined(filter?.labels) }, ...options }),
    getIdentity: (id, options) => call(operations.getIdentity, { ...one(id), ...options }),
    listIdentityEndpoints: (options) => call(operations.listIdentityEndpoints, { ...options }),
    getPolicy: (options) => call(operations.getPolicy, { ...options }),
    importPolicy: (body, source, options) => call(operations.putPolicy, { body, query: { file: source?.file }, ...options }),
    deletePolicy: ({ kind, name, namespace }, options) => call(operations.deletePolicy, { query: { kind, name, namespace }, ...options }),
    listSelectors: (options) => call(operations.listSelectors, { ...options }),
    listPolicyServices: (options) => call(operations.listPolicyServices, { ...options }),
    tracePolicy: (request, options) => call(operations.tracePolicy, { body: request, ...options }),
    listServices: (options) => call(operations.listServices, { ...options }),
    getService: (id, options) => call(operations.getService, { params: { id: String(id) }, ...options }),
    putService: (id, request, options) => call(operations.putService, { params: { id: String(id) }, body: request, ...options }),
    deleteService: (id, options) => call(operations.deleteService, { params: { id: String(id) }, ...options }),
    listServiceFiles: (options) => call(operations.listServiceFiles, { ...options }),
    explainService: (flow, options) => call(operations.explainService, { body: flow, ...options }),
    getPrefilter: (options) => call(operations.getPrefilter, { ...options }),
    addPrefilter: (change, options) => call(operations.patchPrefilter, { body: change, ...options }),
    removePrefilter: (change, options) => call(operations.deletePrefilter, { body: change, ...options }),
    listBpfServices: (options) => call(operations.listBpfServices, { ...options }),
    listIps: (filter, options) => call(operations.listIps, { query: { cidr: filter?.cidr }, ...options }),
    listMaps: async (options) => (await call(operations.listMaps, { ...options })).maps,
    getMap: (name, limits, options) => call(operations.getMap, { params: { name }, query: { limit: limits?.limit }, ...options }),
    listBpfEndpoints: (options) => call(operations.listBpfEndpoints, { ...options }),
    listBpfPolicy: (filter, options) => call(operations.listBpfPolicy, { query: { endpoint: filter?.endpoint }, ...options }),
    listBpfFlows: (limits, options) => call(operations.listBpfFlows, { query: { limit: limits?.limit }, ...options }),
    listBpfAddresses: (options) => call(operations.listBpfAddresses, { ...options }),
    listBpfMetrics: (options) => call(operations.listBpfMetrics, { ...options }),
    listMetrics: (filter, options) => call(operations.listMetrics, { query: { match: filter?.match }, ...options }),
    metricsText: (options) => text('/metrics', options?.signal),
    monitor: (filter, options) => stream(operations.monitor, { query: { type: filter?.types?.join(','), 'related-to': filter?.relatedTo }, ...options }),
    close,
    [Symbol.asyncDispose]: close,
  };
};
