import { errorMessage } from '@cilium-ts/core';
import { createIpCache, createLabelFilter, createReservedIdentities, LabelPrefixFile } from '@cilium-ts/identity';
import type { LabelFilter } from '@cilium-ts/identity';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeState } from './compose-state.ts';
import type { Settings } from './config/options.ts';
import { createRuntime } from './config/runtime.ts';
import { createEndpointTable } from './endpoint/endpoint-table.ts';
import { endpointLabels } from './endpoint/labels.ts';
import { createEndpointResources } from './endpoint/resources.ts';
import { AgentError } from './error.ts';
import { createFailpoint } from './lifecycle/failpoint.ts';
import { startParts } from './lifecycle/part.ts';
import { openNode } from './node/open-node.ts';
import { agentParts } from './parts.ts';
import { createPolicySet } from './policy/policy-set.ts';
import { featuresOf } from './policy/read-policies.ts';
import type { AgentStart, Foundation } from './start-agent.ts';
import { openApiPolicyFile } from './state/api-policy-file.ts';
import { createDocumentFolder } from './state/document-folder.ts';
import { openIdentityAllocator } from './state/identity-files.ts';
import { EndpointRecord, PolicyFileRecord } from './state/schemas.ts';

/** The filter of identity-relevant labels. Throws AgentError `config` naming what is wrong with the file or the list. */
export const openLabelFilter = (values: Settings): LabelFilter => {
  const file = values['label-prefix-file'];
  try {
    return createLabelFilter({ ...(values.labels && { labels: values.labels }), ...(file !== undefined && { prefixFile: LabelPrefixFile.parse(JSON.parse(readFileSync(file, 'utf8'))) }) });
  } catch (cause) {
    throw new AgentError('config', `read label prefixes${file === undefined ? ' (--labels)' : ` ${file}`}: ${errorMessage(cause)}`, { cause });
  }
};

/** Brings everything up over its foundation; resolves when everything restored is in force and the API listens. */
export const bringUp = async (foundation: Foundation, { config, logger, stack }: AgentStart): Promise<void> => {
  const opened = await openEverything(foundation, { config, logger, stack });
  const composed = composeState({ ...opened, config, logger, startTime: foundation.startTime, runtime: createRuntime(config.values, (on) => { logger.setDebug(on); }) });
  const running = await startParts(agentParts(composed), logger);
  stack.defer(() => running.stop());
  composed.setReady();
  const { endpoints, policies } = composed.state;
  logger.info({ ms: Date.now() - foundation.startTime.getTime(), endpoints: endpoints.size, policies: policies.repository.all().length, socket: config.values['socket-path'] }, 'ready');
};

/** Opens what the parts work with: files, the node, the tables. Everything is closed by the stack. */
const openEverything = async ({ journal, datapath: kernel }: Foundation, { config: { values }, logger, stack }: AgentStart) => {
  const stateDir = values['state-dir'];
  const filter = openLabelFilter(values);
  const aside = join(stateDir, 'set-aside');
  const records = createDocumentFolder({ folder: join(stateDir, 'endpoints'), asideFolder: aside, schema: EndpointRecord });
  const policyRecords = createDocumentFolder({ folder: join(stateDir, 'policy'), asideFolder: aside, schema: PolicyFileRecord });
  const node = openNode(values, journal, logger);
  stack.defer(() => { node.close(); });
  const [datapath, loaded, nodeWarnings] = await Promise.all([kernel, records.load(), node.prepare()]);
  const families = { ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'] };
  const reserved = createReservedIdentities(families);
  const witnesses = () =>
    [...loaded.documents.values()].map(({ identity, labels, namespace }) => ({ id: identity, labels: endpointLabels(labels, { namespace, clusterName: values['cluster-name'], filter }).relevant.toStrings() }));
  const identities = openIdentityAllocator({ stateDir, scope: 'global', reserved, witnesses, logger });
  const local = openIdentityAllocator({ stateDir, scope: 'local', reserved, witnesses: () => [], logger });
  const failpoint = createFailpoint(values.failpoint);
  const policyDir = values.mode === 'lb-only' ? undefined : values['policy-dir'];
  const policies = createPolicySet({
    logger, records: policyRecords, api: openApiPolicyFile(stateDir, logger), failpoint, features: featuresOf(values),
    folder: policyDir === undefined ? undefined : { path: policyDir, seen: journal.record.policyFolders.includes(policyDir), markSeen: () => { journal.update({ policyFolders: [...new Set([...journal.record.policyFolders, policyDir])] }); } },
  });
  return {
    node, journal, datapath, records, loaded, nodeWarnings, reserved, identities, local, policies, filter, failpoint, families,
    ipcache: createIpCache({ local, reserved, ...families }),
    endpoints: createEndpointTable(),
    resources: createEndpointResources({ maxEndpoints: values['max-endpoints'], ipv4Range: node.ranges.ipv4, ipv6Range: node.ranges.ipv6 }),
  };
};

/** What has been opened. */
export type Opened = Awaited<ReturnType<typeof openEverything>>;
