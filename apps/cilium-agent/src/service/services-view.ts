import type { Service, ServiceFileStatus, ServiceSpec, Status } from '@cilium-ts/agent-api';
import { parseIp } from '@cilium-ts/core';
import type { ServiceApplyReport } from '@cilium-ts/datapath-programs';
import { formatProblem } from '@cilium-ts/loadbalancer';
import type { LoadBalancer, LoadBalancerProblem, ServiceIssue, ServiceView } from '@cilium-ts/loadbalancer';
import { join } from 'node:path';
import type { ApiServiceRecord } from '../state/schemas.ts';
import type { ApiServiceStore } from './api-service-store.ts';
import { apiServiceId, apiServiceKey } from './api-services.ts';
import type { Health } from './health/health.ts';
import type { ObjectTable } from './object-table.ts';
import type { ServiceCommits } from './service-commits.ts';
import type { ServiceFiles } from './service-files.ts';

/** What is shown is made from. */
export interface ServiceSources {
  readonly balancer: Pick<LoadBalancer, 'services' | 'problems'>;
  readonly table: ObjectTable;
  readonly api: ApiServiceStore;
  readonly files: ServiceFiles | undefined;
  readonly commits: Pick<ServiceCommits, 'report' | 'stats'>;
  readonly health: Health;
}

/** Problems that are shown in full. */
const SHOWN = 10;

const problemText = ({ severity, message, remedy }: LoadBalancerProblem): string => `${severity === 'warning' ? 'warning: ' : ''}${message} (${remedy})`;

/**
 * What stands in the way of a frontend: what is said of the whole service, or of this one; errors first, then what is only
 * worth a thought. What the kernel had no room for goes by the number.
 */
const problemIndex = (problems: readonly LoadBalancerProblem[], report: ServiceApplyReport | undefined) => {
  const byKey = new Map<string, LoadBalancerProblem[]>();
  for (const problem of problems) byKey.set(problem.key, [...(byKey.get(problem.key) ?? []), problem]);
  const byId = new Map((report?.failures ?? []).map(({ id, message }) => [id, message] as const));
  return (key: string, id: number, frontend: ServiceSpec['frontend-address']): string | undefined => {
    const text = frontendText({ 'frontend-address': { ...frontend, ip: parseIp(frontend.ip)?.text ?? frontend.ip } });
    const own = (byKey.get(key) ?? []).filter((problem) => problem.frontend === undefined || problem.frontend === text);
    const texts = [...own.filter(({ severity }) => severity === 'error').map(problemText), ...(byId.has(id) ? [byId.get(id)!] : []), ...own.filter(({ severity }) => severity === 'warning').map(problemText)];
    return texts.length === 0 ? undefined : texts.join('; ');
  };
};

/** What was asked for over the API. */
const requested = ({ id, request: { 'frontend-address': frontend, 'backend-addresses': backends, flags } }: ApiServiceRecord): ServiceSpec => ({
  id, 'frontend-address': { scope: 'external', ...frontend, protocol: frontend.protocol ?? 'TCP' }, 'backend-addresses': [...backends], flags: { type: 'ClusterIP', ...flags },
});

const realized = ({ spec, affinityTimeout, algorithm, sourceRanges, sourceRangePolicy }: ServiceView, record: ApiServiceRecord | undefined): ServiceSpec => {
  const { name, namespace, ...flags } = spec.flags;
  return {
    ...spec,
    'frontend-address': { ...spec['frontend-address'], protocol: spec['frontend-address'].protocol as ServiceSpec['frontend-address']['protocol'] },
    'backend-addresses': spec['backend-addresses'].map((backend) => ({ ...backend, protocol: backend.protocol as 'TCP' | 'UDP' | 'SCTP' })),
    flags: {
      ...flags, algorithm,
      // A service of the API has no name but the one that it was given.
      ...(record ? { ...(record.request.flags?.name !== undefined && { name: record.request.flags.name }), ...(record.request.flags?.namespace !== undefined && { namespace: record.request.flags.namespace }) } : { name, namespace }),
      ...(affinityTimeout > 0 && { sessionAffinity: affinityTimeout }),
      ...(sourceRanges.length > 0 && { sourceRanges: [...sourceRanges], sourceRangesPolicy: sourceRangePolicy }),
    },
  };
};

/** The services as the API shows them, all or those of one key. */
export const viewServices = ({ balancer, table, api, commits }: ServiceSources, key?: string): Service[] => {
  const problemOf = problemIndex(balancer.problems(key), commits.report);
  // What of the API is not in force follows below, under the number that it asked for.
  const shown = balancer.services(key).filter((view) => view.spec.id !== 0 || apiServiceId(view.key) === undefined).map((view): Service => {
    const id = apiServiceId(view.key);
    const record = id === undefined ? undefined : api.all().get(id);
    const real = realized(view, record);
    const problem = problemOf(view.key, view.spec.id, real['frontend-address']);
    return { spec: record && view.spec['frontend-address'].scope === 'external' ? requested(record) : real, status: { realized: real, source: sourceText(table, view.key), ...(problem !== undefined && { problem }) } };
  });
  // What has no place in the kernel at all is shown too.
  const there = new Set(shown.map(({ spec }) => spec.id));
  for (const record of api.all().values()) {
    const own = apiServiceKey(record.id);
    if (there.has(record.id) || (key !== undefined && key !== own)) continue;
    shown.push({ spec: requested(record), status: { realized: { ...requested(record), 'backend-addresses': [] }, source: 'api', problem: problemOf(own, record.id, requested(record)['frontend-address']) ?? 'it is not in force' } });
  }
  return shown;
};

/** The file that a service comes from, or `api`. What pods and local redirects make has the key of these in it. */
export const sourceText = (table: Pick<ObjectTable, 'sourceOf'>, key: string): string => {
  const source = table.sourceOf(key) ?? table.sourceOf(key.replace(/^(pod|redirect):/, '')) ?? '';
  return source.startsWith('file ') ? source.slice('file '.length) : 'api';
};

const issueView = ({ severity, message, remedy, file, line, column, resource, field }: ServiceIssue): ServiceFileStatus['issues'][number] => ({
  severity, message, remedy, line, column, field, ...(file !== undefined && { file }), ...(resource !== undefined && { resource }),
});

/** The files of the folder as the API shows them. */
export const viewFiles = (folder: string, files: ServiceFiles | undefined): ServiceFileStatus[] =>
  (files?.files() ?? []).map(({ name, status, issues, objects }) => ({ path: join(folder, name), status, services: [...objects.services.values()].map(({ namespace, name: service }) => `${namespace}/${service}`), issues: issues.map(issueView) }));

/** How the load balancer fares. */
export const serviceStatus = ({ balancer, api, files, commits: { report, stats }, health }: ServiceSources): Status => {
  if (stats.lastError !== undefined) return { state: 'Failure', msg: stats.lastError };
  const found = balancer.problems();
  const problems = [
    ...(files?.problems() ?? []), ...api.problems(), ...health.problems(),
    ...found.filter(({ severity }) => severity === 'error').map(formatProblem),
    ...(report?.failures ?? []).map(({ id, message, effect }) => `service ${id}: ${message} (${effect})`),
  ];
  if (problems.length > 0) return { state: 'Warning', msg: [...problems.slice(0, SHOWN), ...(problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [])].join('\n') };
  const questionable = new Set(found.map(({ key }) => key)).size;
  return questionable === 0 ? { state: 'Ok' } : { state: 'Ok', msg: `${questionable} ${questionable === 1 ? 'service has a warning' : 'services have warnings'}; \`cilium service list\` shows them` };
};

/** What of a request identifies the frontend, for messages. */
export const frontendText = ({ 'frontend-address': { ip, port, protocol = 'TCP' } }: { readonly 'frontend-address': { readonly ip: string; readonly port: number; readonly protocol?: string | undefined } }): string => `${ip.includes(':') ? `[${ip}]` : ip}:${port}/${protocol}`;
