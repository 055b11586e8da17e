import { createDisposalStack, errorMessage } from '@cilium-ts/core';
import type { DisposalStack, Logger } from '@cilium-ts/core';
import { openDatapath } from '@cilium-ts/datapath-programs';
import type { Datapath } from '@cilium-ts/datapath-programs';
import { createIpCache, createLabelFilter, createReservedIdentities, LabelPrefixFile, worldIdentity } from '@cilium-ts/identity';
import type { LabelFilter } from '@cilium-ts/identity';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeState } from './compose-state.ts';
import type { Config } from './config/load-config.ts';
import type { Settings } from './config/options.ts';
import { createRuntime } from './config/runtime.ts';
import { endpointLabels } from './endpoint/labels.ts';
import { createEndpointTable } from './endpoint/endpoint-table.ts';
import { createEndpointResources } from './endpoint/resources.ts';
import { AgentError } from './error.ts';
import { createFailpoint } from './lifecycle/failpoint.ts';
import { startParts } from './lifecycle/part.ts';
import { checkRequirements } from './lifecycle/requirements.ts';
import { lockNetworkNamespace } from './lock/namespace-lock.ts';
import { lockStateFolder } from './lock/state-lock.ts';
import { ensureBpfRoot } from './node/bpffs.ts';
import { openHostJournal } from './node/host-journal.ts';
import { openNode } from './node/open-node.ts';
import { agentParts } from './parts.ts';
import { createPolicySet } from './policy/policy-set.ts';
import { openApiPolicyFile } from './state/api-policy-file.ts';
import { createDocumentFolder } from './state/document-folder.ts';
import { openIdentityAllocator } from './state/identity-files.ts';
import { EndpointRecord, PolicyFileRecord } from './state/schemas.ts';

/** A running agent. */
export interface Agent {
  /** Stops; the datapath stays in force. */
  stop(): Promise<void>;
}

/** The programs' configuration and the maps' sizes, from the settings. */
export const datapathOptions = (values: Settings): Parameters<typeof openDatapath>[1] => {
  const families = { ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'] };
  return {
    bpfRoot: values['bpf-root'],
    config: {
      worldIpv4: worldIdentity(4, families), worldIpv6: worldIdentity(6, families),
      timeoutTcp: Math.ceil(values['bpf-ct-timeout-regular-tcp']), timeoutTcpSyn: Math.ceil(values['bpf-ct-timeout-regular-tcp-syn']),
      timeoutTcpFin: Math.ceil(values['bpf-ct-timeout-regular-tcp-fin']), timeoutAny: Math.ceil(values['bpf-ct-timeout-regular-any']),
      eventsWakeup: Math.max(1024, values['bpf-events-size'] / 4), enableIpv4: Number(families.ipv4), enableIpv6: Number(families.ipv6),
    },
    sizes: {
      cilium_policy: values['bpf-policy-map-max'], cilium_rows: values['bpf-policy-rows-max'], cilium_addresses: values['bpf-address-map-max'],
      cilium_prefixes: values['bpf-prefix-map-max'], cilium_remotes: values['bpf-remote-map-max'], cilium_flows: values['bpf-flow-map-max'],
      cilium_fragments: values['bpf-fragments-map-max'], cilium_events: values['bpf-events-size'],
    },
  };
};

/** The filter of identity-relevant labels. Throws AgentError `config` naming what is wrong with the file or the list. */
export const openLabelFilter = (values: Settings): LabelFilter => {
  const file = values['label-prefix-file'];
  try {
    return createLabelFilter({ ...(values.labels && { labels: values.labels }), ...(file !== undefined && { prefixFile: LabelPrefixFile.parse(JSON.parse(readFileSync(file, 'utf8'))) }) });
  } catch (cause) {
    throw new AgentError('config', `read label prefixes${file === undefined ? ' (--labels)' : ` ${file}`}: ${errorMessage(cause)}`, { cause });
  }
};

/** Starts the agent; resolves when everything restored is in force and the API listens. Throws AgentError; then nothing runs. */
export const startAgent = async (config: Config, logger: Logger & { setDebug(on: boolean): void }): Promise<Agent> => {
  const startTime = new Date();
  checkRequirements();
  const stack = createDisposalStack();
  try {
    const opened = await openEverything(config, logger, stack);
    const composed = composeState({ ...opened, config, logger, startTime, runtime: createRuntime(config.values, (on) => { logger.setDebug(on); }) });
    const running = await startParts(agentParts(composed), logger);
    stack.defer(() => running.stop());
    composed.setReady();
    const { endpoints } = composed.state;
    logger.info({ ms: Date.now() - startTime.getTime(), endpoints: endpoints.size, policies: composed.state.policies.repository.all().length, socket: config.values['socket-path'] }, 'ready');
  } catch (error) {
    await stack.close();
    throw error;
  }
  return { stop: () => stack.close() };
};

/** Opens what the parts work with: locks, files, the node, the kernel. Everything is closed by the stack. */
const openEverything = async ({ values }: Config, logger: Logger, stack: DisposalStack) => {
  const stateDir = values['state-dir'];
  const stateLock = lockStateFolder(stateDir);
  stack.defer(() => { stateLock.release(); });
  const namespaceLock = await lockNetworkNamespace(stateDir);
  stack.defer(() => { namespaceLock.release(); });
  const journal = openHostJournal(stateDir, logger);
  const filter = openLabelFilter(values);
  ensureBpfRoot(values['bpf-root'], journal);
  const aside = join(stateDir, 'set-aside');
  const records = createDocumentFolder({ folder: join(stateDir, 'endpoints'), asideFolder: aside, schema: EndpointRecord });
  const policyRecords = createDocumentFolder({ folder: join(stateDir, 'policy'), asideFolder: aside, schema: PolicyFileRecord });
  const node = openNode(values, journal, logger);
  stack.defer(() => { node.close(); });
  const [datapath, loaded, nodeWarnings] = await Promise.all([openKernel(values, logger, stack), records.load(), node.prepare()]);
  const families = { ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'] };
  const reserved = createReservedIdentities(families);
  const witnesses = () =>
    [...loaded.documents.values()].map(({ identity, labels, namespace }) => ({ id: identity, labels: endpointLabels(labels, { namespace, clusterName: values['cluster-name'], filter }).relevant.toStrings() }));
  const identities = openIdentityAllocator({ stateDir, scope: 'global', reserved, witnesses, logger });
  const local = openIdentityAllocator({ stateDir, scope: 'local', reserved, witnesses: () => [], logger });
  const failpoint = createFailpoint(values.failpoint);
  const policyDir = values['policy-dir'];
  const policies = createPolicySet({
    logger, records: policyRecords, api: openApiPolicyFile(stateDir, logger), failpoint,
    folder: policyDir === undefined ? undefined : { path: policyDir, seen: journal.record.policyFolders.includes(policyDir), markSeen: () => { journal.update({ policyFolders: [...new Set([...journal.record.policyFolders, policyDir])] }); } },
    options: () => ({ clusterName: values['cluster-name'], defaultLocalCluster: values['policy-default-local-cluster'] }),
  });
  return {
    node, datapath, records, loaded, nodeWarnings, reserved, identities, local, policies, filter, failpoint, families,
    ipcache: createIpCache({ local, reserved, ...families }),
    endpoints: createEndpointTable(),
    resources: createEndpointResources({ maxEndpoints: values['max-endpoints'], ipv4Range: node.ranges.ipv4, ipv6Range: node.ranges.ipv6 }),
  };
};

/** What has been opened. */
export type Opened = Awaited<ReturnType<typeof openEverything>>;

const openKernel = async (values: Settings, logger: Logger, stack: DisposalStack): Promise<Datapath> => {
  const datapath = await openDatapath({ logger }, datapathOptions(values));
  stack.defer(() => datapath.close());
  return datapath;
};
