import type { Logger } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import type { Opened } from './agent.ts';
import type { AgentState } from './agent-state.ts';
import { createPolicyWriter } from './compile/policy-writer.ts';
import type { Config } from './config/load-config.ts';
import type { Runtime } from './config/runtime.ts';
import type { EndpointContext } from './endpoint/context.ts';
import { createEndpointManager } from './endpoint/endpoint-manager.ts';
import { AgentError } from './error.ts';
import type { AgentMetrics } from './metrics/agent-metrics.ts';
import { metricSources } from './metrics/metric-sources.ts';
import { createMonitorHub } from './monitor/monitor-hub.ts';
import { createNodeAddresses } from './node/node-addresses.ts';
import { createRepairs } from './reconcile/repairs.ts';
import { createServiceSlot } from './service/service-slot.ts';
import { createServiceGuards } from './traffic/service-guards.ts';
import type { Traffic } from './traffic/traffic.ts';
import { VERSION } from './version.ts';

/** Everything put together: the tables with those who write them, and what endpoints are made with. */
export interface Composed {
  readonly state: AgentState;
  readonly context: EndpointContext;
  readonly opened: Opened;
  readonly logger: Logger;
  setReady(): void;
}

/** What is put together. */
export interface ComposeInput extends Opened {
  readonly config: Config;
  readonly logger: Logger;
  readonly startTime: Date;
  readonly runtime: Runtime;
}

const byNumber = ({ reserved, identities, ipcache, local }: Opened) => (id: number): Identity => {
  const found = id === RESERVED.host ? ipcache.host() : (reserved.get(id) ?? identities.get(id) ?? local.get(id));
  if (!found) throw new AgentError('not-found', `find identity: there is no identity ${id}`);
  return found;
};

/** The warnings of the start, corrupt records included. */
const startWarnings = ({ config, nodeWarnings, loaded }: ComposeInput): string[] => [
  ...config.warnings,
  ...nodeWarnings,
  ...loaded.corrupt.map(({ name, path, aside, reason }) => `the record of endpoint ${name} (${path}) is corrupt and was set aside as ${aside}: ${reason}. Its device is closed; create the endpoint again`),
];

/** Puts the agent together. Nothing is started. */
export const composeState = (input: ComposeInput): Composed => {
  const { config: { values }, logger, runtime, endpoints, resources, identities, ipcache, reserved, policies, datapath, node, families, failpoint } = input;
  const hub = createMonitorHub({ limit: values['monitor-queue-size'] });
  let ready = false;
  const announce = (kind: string, message: string, endpointId?: number): void => {
    hub.publish({ type: 'agent', timestamp: new Date().toISOString(), kind, message, ...(endpointId !== undefined && { 'endpoint-id': endpointId }) });
  };
  const policyOptions = () => ({
    enforcement: runtime.enforcement, allowLocalhost: values['allow-localhost'] === 'always', ...families,
    clusterName: values['cluster-name'], defaultLocalCluster: values['policy-default-local-cluster'], auditMode: runtime.audit,
  });
  const holder: { metrics?: AgentMetrics } = {};
  const writer = createPolicyWriter({
    logger, datapath, endpoints, policies, identities, ipcache, reserved: reserved.all(), families, options: policyOptions, failpoint,
    observe: (outcome, seconds) => holder.metrics?.observeRegeneration(outcome, seconds),
  });
  const context: EndpointContext = {
    logger, endpoints, resources, identities, filter: input.filter, records: input.records, netlink: node.netlink, nodeNamespaceId: node.namespaceId,
    datapath, writer, failpoint, clusterName: values['cluster-name'], mtu: values.mtu, router4: node.routers.ipv4, router6: node.routers.ipv6, announce,
  };
  const { ipv4: router4, ipv6: router6 } = node.routers;
  if (router4) resources.ipv4?.reserve(router4, 'the node (router address)');
  if (router6) resources.ipv6?.reserve(router6, 'the node (router address)');
  const ranges = [node.ranges.ipv4, node.ranges.ipv6].filter((range) => range !== undefined);
  const repairs = createRepairs({
    endpoints, netlink: node.netlink, datapath, ranges,
    routers: { router4, router6 }, masquerade: node.masquerade, interval: values['reconcile-interval'] * 1000, logger,
  });
  const nodeAddresses = createNodeAddresses(node.netlink, ipcache, { families, logger });
  const traffic: Traffic = { guards: createServiceGuards(logger) };
  const services = createServiceSlot(async () => {
    const [{ openServices }, kernel] = await Promise.all([import('./service/open-services.ts'), datapath.services()]);
    return openServices({
      values, logger, failpoint, writer: kernel, endpoints, ranges, nodeAddresses: () => nodeAddresses.all(),
      directory: policies.repository.directory, referred: () => writer.refresh(),
      ended: () => { traffic.sockets?.terminator.look(); },
      guarded: (changed) => { traffic.guards.changed(changed); },
    });
  });
  const sources = metricSources({ endpoints, policies, identities, ipcache, resources, datapath, hub, writer, reserved, services });
  let loading: Promise<AgentMetrics> | undefined;
  // The library takes longer to load than a part to start, and nobody asks before the agent is ready.
  const metrics = (): Promise<AgentMetrics> => (loading ??= import('./metrics/agent-metrics.ts').then(({ createAgentMetrics }) => (holder.metrics = createAgentMetrics(sources))));
  const state: AgentState = {
    config: input.config, runtime, startTime: input.startTime, version: VERSION, endpoints, resources, manager: createEndpointManager(context), policies, identities, reserved,
    ipcache, filter: input.filter, writer, datapath, nodeAddresses, services, traffic, hub, repairs, metrics, routers: { ipv4: router4?.text, ipv6: router6?.text }, ready: () => ready, warnings: startWarnings(input),
    policyOptions, identityOf: byNumber(input),
    allIdentities: () => [...reserved.all().filter(({ id }) => id !== RESERVED.host), ipcache.host(), ...identities.all(), ...ipcache.identities()],
    announce, observeApi: (call) => holder.metrics?.observeApi(call),
  };
  return { state, context, opened: input, logger, setReady() {
      ready = true;
      void metrics();
    } };
};
