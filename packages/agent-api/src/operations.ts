import { z } from 'zod';
import { IdentityModel } from './schema/common.ts';
import { DaemonConfiguration, DaemonConfigurationSpec, Metric, StatusResponse } from './schema/daemon.ts';
import { Endpoint, EndpointChangeRequest, EndpointHealth, EndpointPatchRequest, EndpointStatusChange, LabelConfiguration, LabelConfigurationSpec } from './schema/endpoint.ts';
import { BpfAddress, BpfEndpoint, BpfFlow, BpfMap, BpfMapDump, BpfMetric, BpfPolicyEntry, IpListEntry } from './schema/maps.ts';
import { MonitorEvent, MonitorQuery } from './schema/monitor.ts';
import { Policy, PolicyChange, PolicyKind, PolicyService, SelectorIdentityMapping, TraceRequest, TraceResult } from './schema/policy.ts';
import { Prefilter, PrefilterChange } from './schema/prefilter.ts';
import { BpfService, Service, ServiceExplanation, ServiceFileStatus, ServiceFlow, ServiceRequest } from './schema/service.ts';

/** Body formats: JSON checked against a schema, a text of YAML or JSON documents, or a stream of JSON lines. */
export type BodyKind = 'json' | 'text' | 'ndjson';

/** One operation of the API. Paths are below `/v1`, parameters in braces. */
export interface Operation {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: { readonly kind: BodyKind; readonly schema: z.ZodType };
  readonly success: { readonly status: number; readonly kind: BodyKind; readonly schema: z.ZodType };
  readonly errors: readonly number[];
}

const json = <S extends z.ZodType>(schema: S, status = 200): { readonly status: number; readonly kind: 'json'; readonly schema: S } => ({ status, kind: 'json', schema });
const body = <S extends z.ZodType>(schema: S): { readonly kind: 'json'; readonly schema: S } => ({ kind: 'json', schema });

/** Endpoints are named by number, or by `cilium-local:N`, `container-id:X`, `container-name:X`, `pod-name:NAMESPACE/NAME`, `ipv4:A`, `ipv6:A`. */
const EndpointParams = z.strictObject({ id: z.string().min(1) });
/** Services are named by their number. */
const ServiceParams = z.strictObject({ id: z.coerce.number().int().min(1).max(65_535) });
const Limit = z.coerce.number().int().min(1).max(1_000_000).default(10_000);

/** Every operation of the agent's API, by name: the one list that server, client and OpenAPI document are made from. */
export const operations = {
  getHealthz: { method: 'GET', path: '/healthz', summary: 'State of the agent and of each of its parts', success: json(StatusResponse), errors: [] },
  getConfig: { method: 'GET', path: '/config', summary: 'Configuration in force, with the origin of every value', success: json(DaemonConfiguration), errors: [] },
  patchConfig: { method: 'PATCH', path: '/config', summary: 'Change what may change while the agent runs', body: body(DaemonConfigurationSpec), success: json(DaemonConfiguration), errors: [400] },
  listEndpoints: { method: 'GET', path: '/endpoint', summary: 'All endpoints, or those that carry every given label', query: z.strictObject({ labels: z.string().optional() }), success: json(z.array(Endpoint)), errors: [400] },
  getEndpoint: { method: 'GET', path: '/endpoint/{id}', summary: 'One endpoint', params: EndpointParams, success: json(Endpoint), errors: [400, 404] },
  putEndpoint: { method: 'PUT', path: '/endpoint/{id}', summary: 'Attach a network namespace; answers when its policy is in force. Id 0 lets the agent choose', params: EndpointParams, body: body(EndpointChangeRequest), success: json(Endpoint, 201), errors: [400, 409, 500, 503] },
  patchEndpoint: { method: 'PATCH', path: '/endpoint/{id}', summary: 'Change labels or options', params: EndpointParams, body: body(EndpointPatchRequest), success: json(Endpoint), errors: [400, 404, 500] },
  deleteEndpoint: { method: 'DELETE', path: '/endpoint/{id}', summary: 'Detach and forget', params: EndpointParams, success: json(z.object({ errors: z.array(z.string()) })), errors: [400, 404] },
  getEndpointLabels: { method: 'GET', path: '/endpoint/{id}/labels', summary: 'Labels and what became of them', params: EndpointParams, success: json(LabelConfiguration), errors: [400, 404] },
  patchEndpointLabels: { method: 'PATCH', path: '/endpoint/{id}/labels', summary: 'Replace the labels; answers when the new identity is in force', params: EndpointParams, body: body(LabelConfigurationSpec), success: json(LabelConfiguration), errors: [400, 404, 500] },
  getEndpointLog: { method: 'GET', path: '/endpoint/{id}/log', summary: 'What happened to the endpoint, newest last', params: EndpointParams, success: json(z.array(EndpointStatusChange)), errors: [400, 404] },
  getEndpointHealth: { method: 'GET', path: '/endpoint/{id}/healthz', summary: 'Is its datapath and its policy in order', params: EndpointParams, success: json(EndpointHealth), errors: [400, 404] },
  listIdentities: { method: 'GET', path: '/identity', summary: 'Identities known, or those that carry every given label', query: z.strictObject({ labels: z.string().optional() }), success: json(z.array(IdentityModel)), errors: [400] },
  getIdentity: { method: 'GET', path: '/identity/{id}', summary: 'One identity', params: z.strictObject({ id: z.string().min(1) }), success: json(IdentityModel), errors: [400, 404] },
  listIdentityEndpoints: { method: 'GET', path: '/identity/endpoints', summary: 'Identities in use by local endpoints', success: json(z.array(z.object({ identity: IdentityModel, refCount: z.number().int() }))), errors: [] },
  getPolicy: { method: 'GET', path: '/policy', summary: 'Every policy resource held, and the state of the policy folder', success: json(Policy), errors: [] },
  putPolicy: { method: 'PUT', path: '/policy', summary: 'Import YAML or JSON documents, all or none; answers when they are in force', query: z.strictObject({ file: z.string().optional() }), body: { kind: 'text', schema: z.string() }, success: json(PolicyChange), errors: [400, 409] },
  deletePolicy: { method: 'DELETE', path: '/policy', summary: 'Delete an imported resource', query: z.strictObject({ kind: PolicyKind, name: z.string().min(1), namespace: z.string().optional() }), success: json(PolicyChange), errors: [400, 404, 409] },
  listSelectors: { method: 'GET', path: '/policy/selectors', summary: 'Selectors in use and the identities they stand for', success: json(z.array(SelectorIdentityMapping)), errors: [] },
  listPolicyServices: { method: 'GET', path: '/policy/services', summary: 'Services that policies may refer to, and what they mean', success: json(z.array(PolicyService)), errors: [] },
  tracePolicy: { method: 'POST', path: '/policy/trace', summary: 'May one end open a connection to the other, and which rule says so', body: body(TraceRequest), success: json(TraceResult), errors: [400, 404] },
  listServices: { method: 'GET', path: '/service', summary: 'Services with their backends, one entry per frontend', success: json(z.array(Service)), errors: [503] },
  getService: { method: 'GET', path: '/service/{id}', summary: 'One service', params: ServiceParams, success: json(Service), errors: [400, 404, 503] },
  putService: { method: 'PUT', path: '/service/{id}', summary: 'Create a service or replace it, backends included; answers when it is in force', params: ServiceParams, body: body(ServiceRequest), success: json(Service), errors: [400, 409, 500, 503] },
  deleteService: { method: 'DELETE', path: '/service/{id}', summary: 'Delete a service given over the API', params: ServiceParams, success: json(z.object({ id: z.number().int() })), errors: [400, 404, 409, 500, 503] },
  listServiceFiles: { method: 'GET', path: '/service/files', summary: 'Files of the service folder and what is wrong with them', success: json(z.array(ServiceFileStatus)), errors: [503] },
  explainService: { method: 'POST', path: '/service/explain', summary: 'Which backend a flow to a service gets, and why', body: body(ServiceFlow), success: json(ServiceExplanation), errors: [400, 503] },
  getPrefilter: { method: 'GET', path: '/prefilter', summary: 'Prefixes whose packets are dropped before the stack', success: json(Prefilter), errors: [503] },
  patchPrefilter: { method: 'PATCH', path: '/prefilter', summary: 'Add prefixes, all or none', body: body(PrefilterChange), success: json(Prefilter), errors: [400, 409, 500, 503] },
  deletePrefilter: { method: 'DELETE', path: '/prefilter', summary: 'Remove prefixes, all or none', body: body(PrefilterChange), success: json(Prefilter), errors: [400, 404, 409, 500, 503] },
  listIps: { method: 'GET', path: '/ip', summary: 'Addresses and prefixes with their identities', query: z.strictObject({ cidr: z.string().optional() }), success: json(z.array(IpListEntry)), errors: [400] },
  listMaps: { method: 'GET', path: '/map', summary: 'Maps of the datapath', success: json(z.object({ maps: z.array(BpfMap) })), errors: [] },
  getMap: { method: 'GET', path: '/map/{name}', summary: 'One map with its entries', params: z.strictObject({ name: z.string().min(1) }), query: z.strictObject({ limit: Limit.optional() }), success: json(BpfMapDump), errors: [400, 404] },
  listBpfEndpoints: { method: 'GET', path: '/bpf/endpoint', summary: 'Slots of the datapath in use', success: json(z.array(BpfEndpoint)), errors: [] },
  listBpfPolicy: { method: 'GET', path: '/bpf/policy', summary: 'Policy in force in the kernel', query: z.strictObject({ endpoint: z.string().optional() }), success: json(z.array(BpfPolicyEntry)), errors: [400, 404] },
  listBpfFlows: { method: 'GET', path: '/bpf/ct', summary: 'Connections the datapath remembers', query: z.strictObject({ limit: Limit.optional() }), success: json(z.array(BpfFlow)), errors: [400] },
  listBpfAddresses: { method: 'GET', path: '/bpf/ipcache', summary: 'Addresses and prefixes the datapath knows', success: json(z.array(BpfAddress)), errors: [] },
  listBpfServices: { method: 'GET', path: '/bpf/lb', summary: "Services in the kernel's maps", success: json(z.array(BpfService)), errors: [503] },
  listBpfMetrics: { method: 'GET', path: '/bpf/metrics', summary: 'Packets and bytes by reason and direction', success: json(z.array(BpfMetric)), errors: [] },
  listMetrics: { method: 'GET', path: '/metrics', summary: "The agent's metrics as JSON (Prometheus text is at /metrics)", query: z.strictObject({ match: z.string().optional() }), success: json(z.array(Metric)), errors: [400] },
  monitor: { method: 'GET', path: '/monitor', summary: 'Events as they happen, one JSON document per line', query: MonitorQuery, success: { status: 200, kind: 'ndjson', schema: MonitorEvent }, errors: [400] },
} as const satisfies Record<string, Operation>;

/** Name of an operation. */
export type OperationName = keyof typeof operations;

