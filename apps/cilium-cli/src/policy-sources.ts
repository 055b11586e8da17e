import type { AgentClient } from '@cilium-ts/agent-api';
import { parseCidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { DEFAULT_POLICY_OPTIONS, parseFlows, parseIdentities, parsePolicies, type FlowRecord, type KnownIdentity, type PolicyOptions, type PolicyResource, type RecordIssue } from '@cilium-ts/policy-model';
import { CliError } from './failure.ts';
import type { Io } from './io.ts';
import { formatIssue } from './output/issue.ts';
import type { References } from './policy-settings.ts';

/** The policies of files and folders. Tells what is wrong with them; throws {@link CliError} for what an agent would refuse as unreadable. */
export function readPolicies(io: Io, paths: readonly string[], command: string): PolicyResource[] {
  const files = paths.flatMap((path) => io.policyFiles(path));
  if (files.length === 0) throw new CliError(`${command}: there is no policy file in ${paths.join(', ')}`, { exitCode: 2 });
  return files.flatMap((file) => {
    const { resources, issues } = parsePolicies(io.read(file), { file });
    for (const issue of issues) io.warn(formatIssue(issue));
    if (issues.some(({ severity }) => severity === 'error')) throw new CliError(`${command}: ${file} is not a file that an agent would accept`);
    return resources;
  });
}

/** The policies that an agent holds. Their places are those of the documents as the agent gives them: name and field are right, lines mean nothing. */
export async function heldPolicies(agent: AgentClient): Promise<PolicyResource[]> {
  const { resources } = await agent.getPolicy();
  return resources.flatMap(({ document, file }) => [...parsePolicies(JSON.stringify(document), file === undefined ? {} : { file }).resources]);
}

/** The identities that an agent knows. */
export async function heldIdentities(agent: AgentClient): Promise<Identity[]> {
  const identities = await agent.listIdentities();
  return identities.map(({ id, labels }) => ({ id: numericIdentity(id), labels: labelSet(labels) }));
}

/** How an agent enforces policies: what it compiles them with. */
export async function heldOptions(agent: AgentClient): Promise<PolicyOptions> {
  const { status: { realized, daemonConfigurationMap: settings } } = await agent.config();
  const clusterName = settings['cluster-name'];
  return {
    enforcement: realized['policy-enforcement'] ?? DEFAULT_POLICY_OPTIONS.enforcement,
    allowLocalhost: settings['allow-localhost'] === 'always',
    ipv4: settings['enable-ipv4'] !== false,
    ipv6: settings['enable-ipv6'] !== false,
    clusterName: typeof clusterName === 'string' ? clusterName : DEFAULT_POLICY_OPTIONS.clusterName,
    defaultLocalCluster: settings['policy-default-local-cluster'] !== false,
  };
}

/** What an agent's rules refer to: its services. */
export async function heldReferences(agent: AgentClient): Promise<References> {
  const services = await agent.listPolicyServices();
  return (directory) => {
    for (const { selector, addresses, ...service } of services) directory.setService({ ...service, ...(selector !== undefined && { selector }), addresses: addresses.flatMap((text) => parseCidr(text) ?? []) });
  };
}

/** The identities of a file. Throws {@link CliError} where something in it cannot be read. */
export function readIdentities(io: Io, file: string, clusterName: string): readonly KnownIdentity[] {
  const { identities, issues } = parseIdentities(io.read(file), { file, clusterName });
  refuse(io, issues, `--identities: ${file} cannot be read`);
  return identities;
}

/** The flows of a file. Bad lines are told and left out; throws {@link CliError} where no line is good. */
export function readFlows(io: Io, file: string, clusterName: string): readonly FlowRecord[] {
  const { flows, issues } = parseFlows(io.read(file), { file, clusterName });
  for (const issue of issues.slice(0, 20)) io.warn(recordIssue(issue));
  if (issues.length > 20) io.warn(`… and ${issues.length - 20} more lines that cannot be read`);
  if (flows.length === 0) throw new CliError(`--flows: ${file} holds no flow that can be read`);
  return flows;
}

function refuse(io: Io, issues: readonly RecordIssue[], message: string): void {
  for (const issue of issues) io.warn(recordIssue(issue));
  if (issues.length > 0) throw new CliError(message);
}

function recordIssue({ severity, file = '(input)', line, field, message, remedy }: RecordIssue): string {
  return `${file}:${line}: ${severity}: ${field === '' ? '' : `${field} `}${message} (${remedy})`;
}
