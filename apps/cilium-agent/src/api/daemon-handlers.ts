import type { DaemonConfiguration, NodeAddressing, Status, StatusResponse } from '@cilium-ts/agent-api';
import { MonitorType } from '@cilium-ts/agent-api';
import type { AgentState } from '../agent-state.ts';
import type { RecurringStats } from '../compile/recurring.ts';
import { endpointHealth } from '../endpoint/endpoint-view.ts';
import { AgentError } from '../error.ts';
import { uplinkWarnings } from '../node/uplinks.ts';
import { isRelatedTo } from '../monitor/event-view.ts';
import type { Handlers } from './handler.ts';
import { repairControllers, repairStatus } from './repair-status.ts';

/** Problems of one kind that are shown in full. */
const SHOWN = 10;

const addressing = ({ config: { values }, routers }: AgentState): NodeAddressing => ({
  ipv4: { enabled: values['enable-ipv4'], ...(routers.ipv4 !== undefined && { ip: routers.ipv4, 'alloc-range': values['ipv4-range'] }) },
  ipv6: { enabled: values['enable-ipv6'], ...(routers.ipv6 !== undefined && { ip: routers.ipv6, 'alloc-range': values['ipv6-range'] }) },
});

const nodeMonitor = ({ config, hub }: AgentState) => ({ size: config.values['bpf-events-size'], lost: hub.lostTotal, listeners: hub.listeners });

const policyStatus = (state: AgentState): Status => {
  const problems = state.policies.problems();
  if (problems.length === 0) return { state: 'Ok', msg: `revision ${state.policies.repository.revision}, ${state.policies.repository.all().length} policies` };
  const closed = [...state.endpoints].some(({ lockdown, device }) => lockdown !== undefined && device === 'up') || state.policies.files().some(({ status }) => status === 'rejected');
  return { state: closed ? 'Failure' : 'Warning', msg: problems.join('\n') };
};

const datapathStatus = ({ writer, endpoints }: AgentState): Status => {
  const failures = [...[...endpoints].flatMap(({ id, failure }) => (failure ? [`endpoint ${id}: ${failure.message} (${failure.effect})`] : [])), ...writer.addressFailures().map(({ message }) => message)];
  if (failures.length > 0) return { state: 'Failure', msg: [...failures.slice(0, SHOWN), ...(failures.length > SHOWN ? [`and ${failures.length - SHOWN} more`] : [])].join('\n') };
  return writer.stats.lastError === undefined ? { state: 'Ok' } : { state: 'Failure', msg: writer.stats.lastError };
};

/** Nobody has asked for services: they are not even loaded. */
const NO_SERVICES: Status = { state: 'Disabled', msg: 'no services' };

const overall = (state: AgentState, parts: readonly Status[]): Status => {
  if (!state.ready()) return { state: 'Failure', msg: 'starting' };
  const worst = parts.find((part) => part.state === 'Failure') ?? parts.find((part) => part.state === 'Warning');
  return worst ? { state: worst.state, msg: worst.msg ?? '' } : { state: 'Ok' };
};

const controller = (name: string, stats: RecurringStats) => ({
  name,
  status: {
    'success-count': stats.runs - stats.failures, 'failure-count': stats.failures, 'consecutive-failure-count': stats.consecutiveFailures,
    ...(stats.lastSuccess && { 'last-success-timestamp': stats.lastSuccess.toISOString() }),
    ...(stats.lastFailure && { 'last-failure-timestamp': stats.lastFailure.toISOString() }),
    ...(stats.lastError !== undefined && { 'last-failure-msg': stats.lastError }),
  },
});

const bpfMasquerade = ({ traffic: { drain } }: AgentState): string => (drain?.left === undefined || drain.left === 0 ? 'BPF' : `BPF (nftables still carries ${drain.left} connections)`);

/** What is given the node's address; a load balancer alone has no endpoints to do that for. */
const masquerading = (state: AgentState): StatusResponse['masquerading'] => {
  const { config: { values } } = state;
  const endpoints = values.mode !== 'lb-only';
  const [ipv4, ipv6] = [endpoints && values['enable-ipv4'] && values['enable-ipv4-masquerade'], endpoints && values['enable-ipv6'] && values['enable-ipv6-masquerade']];
  return { enabled: ipv4 || ipv6, enabledProtocols: { ipv4, ipv6 }, mode: values['enable-bpf-masquerade'] ? bpfMasquerade(state) : 'nftables' };
};

const nodeWarnings = ({ config: { values }, traffic: { uplinks }, warnings }: AgentState): string[] =>
  [...warnings, ...(uplinks ? uplinkWarnings(uplinks.map(({ name }) => name), { named: values.devices, required: values.mode === 'lb-only' }) : [])];

const healthz = (state: AgentState): StatusResponse => {
  const { endpoints, resources } = state;
  const warnings = nodeWarnings(state);
  const health = [...endpoints].map((endpoint) => ({ id: endpoint.id, ok: endpoint.state === 'ready' && endpointHealth(endpoint).overallHealth === 'OK' }));
  const policy = policyStatus(state);
  const datapath = datapathStatus(state);
  const services = state.services.current?.status() ?? NO_SERVICES;
  const repairs = state.repairs.statuses();
  const kernel = repairStatus(repairs);
  const node: Status = warnings.length === 0 ? { state: 'Ok' } : { state: 'Warning', msg: warnings.join('\n') };
  const pool = (family: 'ipv4' | 'ipv6'): string[] => [...(resources[family]?.entries() ?? [])].map(([address]) => address);
  const [ipv4, ipv6] = [pool('ipv4'), pool('ipv6')];
  return {
    version: state.version,
    pid: process.pid,
    'start-time': state.startTime.toISOString(),
    cilium: overall(state, [policy, datapath, services, kernel, node]),
    parts: { policy, datapath, services, kernel, node },
    policy, services, datapath,
    endpoints: { total: health.length, ready: health.filter(({ ok }) => ok).length, 'not-ready': health.filter(({ ok }) => !ok).length, failing: health.filter(({ ok }) => !ok).map(({ id }) => id) },
    addressing: addressing(state),
    ipam: { ipv4, ipv6, status: `${ipv4.length} IPv4 and ${ipv6.length} IPv6 addresses in use` },
    nodeMonitor: nodeMonitor(state),
    'policy-revision': state.policies.repository.revision,
    masquerading: masquerading(state),
    'identity-range': { 'min-identity': 256, 'max-identity': 65_535 },
    'bpf-maps': Object.entries(state.datapath.maps).map(([name, { info }]) => ({ name, size: info.maxEntries })),
    controllers: [controller('sync-policymaps', state.writer.stats), ...(state.services.current ? [controller('sync-services', state.services.current.stats)] : []), ...repairControllers(repairs)],
    warnings,
  };
};

const configuration = (state: AgentState): DaemonConfiguration => {
  const { runtime, config } = state;
  const realized = { 'policy-enforcement': runtime.enforcement, options: { PolicyAuditMode: runtime.audit ? 'Enabled' : 'Disabled', Debug: runtime.debug ? 'Enabled' : 'Disabled' } };
  return {
    spec: realized,
    status: {
      realized, addressing: addressing(state), nodeMonitor: nodeMonitor(state), deviceMTU: config.values.mtu,
      masquerade: config.values['enable-ipv4-masquerade'] || config.values['enable-ipv6-masquerade'],
      daemonConfigurationMap: { ...config.values }, sources: { ...config.sources },
    },
  };
};

const option = (name: string, value: string | undefined): boolean | undefined => {
  if (value === undefined) return undefined;
  if (/^(enabled|true|1)$/i.test(value)) return true;
  if (/^(disabled|false|0)$/i.test(value)) return false;
  throw new AgentError('invalid', `change configuration: option ${name} is ${JSON.stringify(value)}, but has to be Enabled or Disabled`);
};

type DaemonHandlers = Pick<Handlers, 'getHealthz' | 'getConfig' | 'patchConfig' | 'listMetrics' | 'monitor'>;

/** Serves the agent itself: health, configuration, metrics, events. */
export const createDaemonHandlers = (state: AgentState): DaemonHandlers => ({
  getHealthz: () => healthz(state),
  getConfig: () => configuration(state),
  async patchConfig({ body }) {
    const known = ['PolicyAuditMode', 'Debug'];
    const unknown = Object.keys(body.options ?? {}).find((name) => !known.includes(name));
    if (unknown !== undefined) throw new AgentError('invalid', `change configuration: ${unknown} can not be changed while the agent runs; these can: ${known.join(', ')}, and policy-enforcement`);
    const audit = option('PolicyAuditMode', body.options?.['PolicyAuditMode']);
    const debug = option('Debug', body.options?.['Debug']);
    state.runtime.change({ ...(body['policy-enforcement'] && { enforcement: body['policy-enforcement'] }), ...(audit !== undefined && { audit }), ...(debug !== undefined && { debug }) });
    await state.writer.commit();
    return configuration(state);
  },
  async listMetrics({ query }) {
    const metrics = await (await state.metrics()).registry.getMetricsAsJSON();
    return metrics
      .flatMap(({ name, values }) => (values as { value: number; labels: Record<string, string | number>; metricName?: string }[]).map((sample) => ({ name: sample.metricName ?? name, value: sample.value, labels: Object.fromEntries(Object.entries(sample.labels).map(([key, value]) => [key, String(value)])) })))
      .filter(({ name }) => query.match === undefined || name.includes(query.match));
  },
  monitor({ query, signal }) {
    const types = query.type?.split(',').filter((type) => type !== '') ?? [];
    for (const type of types) if (!MonitorType.safeParse(type).success) throw new AgentError('invalid', `monitor: there is no type ${JSON.stringify(type)}; known: ${MonitorType.options.join(', ')}`);
    const wanted = new Set(types.length === 0 ? MonitorType.options : types);
    const endpoint = query['related-to'];
    return state.hub.subscribe({ signal, accept: (event) => wanted.has(event.type) && (endpoint === undefined || isRelatedTo(event, endpoint)) });
  },
});
