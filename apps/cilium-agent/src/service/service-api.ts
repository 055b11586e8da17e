import type { ServiceExplanation, ServiceFlow, ServiceRequest, Service } from '@cilium-ts/agent-api';
import { errorMessage, parseIp } from '@cilium-ts/core';
import { protocolNumber } from '@cilium-ts/loadbalancer';
import type { Flow, LoadBalancer } from '@cilium-ts/loadbalancer';
import { AgentError } from '../error.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';
import type { ApiServiceRecord } from '../state/schemas.ts';
import { apiServiceKey, apiServiceObjects, apiSource } from './api-services.ts';
import type { ServiceObjects } from './service-objects.ts';
import type { ServiceCommits } from './service-commits.ts';
import { frontendText, sourceText, viewServices } from './services-view.ts';
import type { ServiceSources } from './services-view.ts';

/** What changes of services over the API work with. */
export interface ServiceApiDeps extends ServiceSources {
  readonly balancer: Pick<LoadBalancer, 'services' | 'problems' | 'records' | 'explain'>;
  readonly commits: Pick<ServiceCommits, 'commit' | 'report' | 'stats'>;
  readonly failpoint: Failpoint;
}

const notFound = (id: number, action: string): AgentError => new AgentError('not-found', `${action} service: there is no service ${id}`);

/** One service by its number. Throws AgentError `not-found`. */
export const getService = (deps: ServiceApiDeps, id: number): Service => {
  const found = id === 0 ? undefined : viewServices(deps).find(({ spec, status }) => spec.id === id || status.realized.id === id);
  if (!found) throw notFound(id, 'get');
  return found;
};

/** Whether a record of the model is the service's own: it has this number, and this key. */
const ownIds = ({ balancer }: ServiceApiDeps, key: string): ReadonlySet<number> => new Set(balancer.services(key).map(({ spec }) => spec.id));

/** Refuses what another service has: its frontend, or the number. Throws AgentError `conflict` naming who. */
const checkFree = (deps: ServiceApiDeps, objects: ServiceObjects, id: number): void => {
  const { balancer, table } = deps;
  const { services } = balancer.records();
  const own = ownIds(deps, apiServiceKey(id));
  const [service] = objects.services.values();
  const { address, port, protocol } = service!.frontends[0]!;
  const number = protocolNumber(protocol);
  const refuse = (taken: number, what: string): never => {
    const view = balancer.services().find(({ spec }) => spec.id === taken);
    const { name, namespace } = view?.spec.flags ?? {};
    throw new AgentError('conflict', `put service: ${what} belongs to service ${namespace}/${name} (${view ? sourceText(table, view.key) : 'unknown'}); give one of the two another`);
  };
  if (services.has(id) && !own.has(id)) refuse(id, `the number ${id}`);
  for (const record of services.values()) {
    if (record.port === port && record.protocol === number && record.address.text === address.text && !own.has(record.id)) refuse(record.id, 'the frontend');
  }
};

/** Creates or replaces a service; resolves when it is in force. If it can not be, everything is as before. */
export const putService = async (deps: ServiceApiDeps, id: number, request: ServiceRequest): Promise<Service> => {
  const { api, table, commits, failpoint } = deps;
  const before = api.all().get(id);
  const record = { version: 1, id, created: before?.created ?? Date.now(), request } as ApiServiceRecord;
  const source = apiSource(id);
  const undo = (): void => { table.update(new Map([[source, before && apiServiceObjects(before)]])); };
  const objects = apiServiceObjects(record);
  checkFree(deps, objects, id);
  table.update(new Map([[source, objects]]));
  try {
    await api.put(record);
  } catch (cause) {
    undo();
    await commits.commit();
    throw new AgentError('state', `put service ${id} (${frontendText(request)}): its record can not be written: ${errorMessage(cause)}`, { cause });
  }
  failpoint('service-recorded');
  await commits.commit();
  return viewServices(deps, apiServiceKey(id)).find(({ spec }) => spec.id === id)!;
};

/** Deletes a service that was put. Throws AgentError `not-found`, or `conflict` if it comes from a file. */
export const deleteService = async (deps: ServiceApiDeps, id: number): Promise<void> => {
  const { api, table, commits, balancer } = deps;
  if (!api.all().has(id)) {
    const view = balancer.services().find(({ spec }) => spec.id === id);
    if (!view) throw notFound(id, 'delete');
    throw new AgentError('conflict', `delete service: ${id} comes from the file ${sourceText(table, view.key)} of the service folder; delete it there`);
  }
  await api.delete(id);
  table.update(new Map([[apiSource(id), undefined]]));
  await commits.commit();
};

const clientOf = ({ client, cookie }: ServiceFlow): Flow['client'] => {
  if (cookie !== undefined) return { cookie: BigInt(cookie) };
  const ip = parseIp(client ?? '');
  if (!ip) throw new AgentError('invalid', client === undefined ? 'explain service: name the client by its address, or by the number of its socket (cookie)' : `explain service: client is ${JSON.stringify(client)}, which is no address`);
  return ip;
};

/** Which backend a flow gets, and why. */
export const explainService = ({ balancer }: ServiceApiDeps, flow: ServiceFlow): ServiceExplanation => {
  const address = parseIp(flow.ip);
  if (!address) throw new AgentError('invalid', `explain service: ip is ${JSON.stringify(flow.ip)}, which is no address`);
  const { selection, service, lines } = balancer.explain({ client: clientOf(flow), clientPort: flow['client-port'] ?? 0, address, port: flow.port, protocol: flow.protocol ?? 'TCP', from: flow.from ?? 'inside' });
  const backend = selection.verdict === 'backend' ? `${selection.backend.address.family === 6 ? `[${selection.backend.address.text}]` : selection.backend.address.text}:${selection.backend.port}` : undefined;
  return { verdict: selection.verdict, text: lines.join('\n'), ...(service !== undefined && { service }), ...(backend !== undefined && { backend }) };
};
