import type { ServiceRequest } from '@cilium-ts/agent-api';
import { parseCidr, parseIp } from '@cilium-ts/core';
import type { Cidr, IpAddress } from '@cilium-ts/core';
import { defineService, isServiceAddress } from '@cilium-ts/loadbalancer';
import type { Endpoint, EndpointSlice, FrontendKind, Service } from '@cilium-ts/loadbalancer';
import { AgentError } from '../error.ts';
import type { ApiServiceRecord } from '../state/schemas.ts';
import type { ServiceObjects } from './service-objects.ts';

/** Namespace of services given over the API; no Kubernetes object can have it. Their name is their number. */
export const API_NAMESPACE = 'API';
/** Weight of a backend that has none given, as in Cilium. */
const DEFAULT_WEIGHT = 100;

const KINDS: Readonly<Record<NonNullable<NonNullable<ServiceRequest['flags']>['type']>, FrontendKind>> = {
  ClusterIP: 'ClusterIP', NodePort: 'NodePort', ExternalIPs: 'ExternalIP', HostPort: 'HostPort', LoadBalancer: 'LoadBalancer', LocalRedirect: 'LocalRedirect',
};

/** Key of the service with this number. */
export const apiServiceKey = (id: number): string => `Service/${API_NAMESPACE}/${id}`;

/** The number in such a key; undefined for keys of others. */
export const apiServiceId = (key: string): number | undefined => {
  const [, id] = /^Service\/API\/(\d+)$/.exec(key) ?? [];
  return id === undefined ? undefined : Number(id);
};

/** Name of the service's source in the table of objects. */
export const apiSource = (id: number): string => `api ${id}`;

const refuse = (message: string): AgentError => new AgentError('invalid', `put service: ${message}`);

const addressOf = (text: string, field: string): IpAddress => {
  const ip = parseIp(text);
  if (!ip) throw refuse(`${field} is ${JSON.stringify(text)}, which is no IPv4 or IPv6 address`);
  return ip;
};

const unusable = (field: string, text: string): AgentError => refuse(`${field} is ${text}, which nothing can be sent to; give an address that is neither unspecified, loopback nor multicast`);

const rangesOf = (texts: readonly string[], family: 4 | 6): Cidr[] =>
  texts.map((text, at) => {
    const cidr = parseCidr(text);
    if (!cidr) throw refuse(`flags.sourceRanges[${at}] is ${JSON.stringify(text)}, which is no prefix such as 10.0.0.0/8`);
    if (cidr.family !== family) throw refuse(`flags.sourceRanges[${at}] is ${text}, but the frontend has an IPv${family} address, which no such client can reach; give prefixes of its family`);
    return cidr;
  });

const frontendOf = ({ request, id }: ApiServiceRecord): Service['frontends'][number] => {
  const { ip, port, protocol = 'TCP' } = request['frontend-address'];
  const kind = KINDS[request.flags?.type ?? 'ClusterIP'];
  const address = addressOf(ip, 'frontend-address.ip');
  const ofNode = kind === 'NodePort' || kind === 'HostPort';
  const every = address.bytes.every((byte) => byte === 0);
  if (every && !ofNode) throw refuse(`frontend-address.ip is ${ip}, every address of the node, which only NodePort and HostPort can have; set flags.type`);
  if (!ofNode && !isServiceAddress(address)) throw unusable('frontend-address.ip', ip);
  return { kind, address, port, protocol, portName: '', id };
};

const endpointOf = (backend: ServiceRequest['backend-addresses'][number], at: number, { protocol, family }: { readonly protocol: string; readonly family: 4 | 6 }): Endpoint => {
  const field = `backend-addresses[${at}]`;
  const ip = addressOf(backend.ip, `${field}.ip`);
  if (ip.family !== family) throw refuse(`${field}.ip is ${backend.ip}, but the frontend has an IPv${family} address; give the other family a service of its own`);
  if (!isServiceAddress(ip)) throw unusable(`${field}.ip`, backend.ip);
  if (backend.protocol !== undefined && backend.protocol !== protocol) throw refuse(`${field}.protocol is ${backend.protocol}, but the frontend's is ${protocol}`);
  return {
    addresses: [ip], state: backend.state ?? 'active', weight: backend.weight ?? DEFAULT_WEIGHT,
    ...(backend.nodeName !== undefined && { nodeName: backend.nodeName }), ...(backend.zone !== undefined && { zone: backend.zone }),
  };
};

/** What the load balancer's model is told of a service given over the API. Throws AgentError `invalid` naming the field. */
export const apiServiceObjects = (record: ApiServiceRecord): ServiceObjects => {
  const { id, created, request: { 'backend-addresses': backends, flags = {} } } = record;
  const frontend = frontendOf(record);
  const { protocol, address: { family } } = frontend;
  const service = defineService({
    namespace: API_NAMESPACE, name: String(id), frontends: [frontend], createdAt: created, affinityTimeout: flags.sessionAffinity ?? 0,
    externalTrafficPolicy: flags.extTrafficPolicy ?? 'Cluster', internalTrafficPolicy: flags.intTrafficPolicy ?? 'Cluster',
    sourceRanges: rangesOf(flags.sourceRanges ?? [], family), sourceRangePolicy: flags.sourceRangesPolicy ?? 'allow',
    ...(flags.algorithm && { algorithm: flags.algorithm }), ...(flags.forwardingMode && { forwardingMode: flags.forwardingMode }),
    ...(flags.healthCheck && { healthCheck: flags.healthCheck }),
    ...(flags.healthCheckNodePort !== undefined && flags.healthCheckNodePort > 0 && { healthCheckNodePort: flags.healthCheckNodePort }),
  });
  const byPort = new Map<number, Endpoint[]>();
  const seen = new Set<string>();
  for (const [at, backend] of backends.entries()) {
    const endpoint = endpointOf(backend, at, { protocol, family });
    const name = `${endpoint.addresses[0]!.text} ${backend.port}`;
    if (seen.has(name)) throw refuse(`backend-addresses[${at}] is there twice: ${backend.ip}, port ${backend.port}`);
    seen.add(name);
    const endpoints = byPort.get(backend.port);
    if (endpoints) endpoints.push(endpoint);
    else byPort.set(backend.port, [endpoint]);
  }
  const slice = (port: number, endpoints: readonly Endpoint[]): EndpointSlice => ({ namespace: API_NAMESPACE, service: String(id), ports: [{ name: '', protocol, port }], endpoints });
  return {
    services: new Map([[apiServiceKey(id), service]]),
    slices: new Map([...byPort].map(([port, endpoints]) => [`EndpointSlice/${API_NAMESPACE}/${id}-${port}`, slice(port, endpoints)])),
    pods: new Map(), redirects: new Map(),
  };
};
