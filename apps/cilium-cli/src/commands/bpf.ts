import type { AgentClient, BpfAddress, BpfEndpoint, BpfFlow, BpfMetric, BpfPolicyEntry, BpfService, FlowEnd } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import type { Io } from '../io.ts';
import { printRows } from '../output/print.ts';
import type { Column } from '../output/table.ts';
import { socketAddress } from '../socket-address.ts';

const endpoints: Column<BpfEndpoint>[] = [
  { heading: 'Slot', cell: ({ slot }) => slot },
  { heading: 'Endpoint', cell: (row) => row['endpoint-id'] },
  { heading: 'IPv4', cell: ({ ipv4 }) => ipv4 },
  { heading: 'IPv6', cell: ({ ipv6 }) => ipv6 },
  { heading: 'Ifindex', cell: (row) => row['interface-index'] },
  { heading: 'MAC', cell: ({ mac }) => mac },
  { heading: 'Identity', cell: ({ identity }) => identity },
  { heading: 'Generation', cell: ({ generation }) => generation },
  { heading: 'Version', cell: (row) => row['policy-version'] },
  { heading: 'Revision', cell: (row) => row['policy-revision'] },
  { heading: 'Flags', cell: ({ flags }) => flags.join(' ') },
];

const policy: Column<BpfPolicyEntry>[] = [
  { heading: 'Endpoint', cell: (row) => row['endpoint-id'] },
  { heading: 'Direction', cell: ({ direction }) => direction },
  { heading: 'Identity', cell: ({ identity }) => (identity === 0 ? 'any' : identity) },
  { heading: 'Labels', cell: ({ labels }) => labels.join(' ') },
  { heading: 'Protocol', cell: ({ protocol }) => protocol },
  { heading: 'Ports', cell: ({ ports }) => ports },
  { heading: 'Action', cell: ({ action }) => action },
  { heading: 'Match', cell: ({ match }) => match },
];

const end = ({ ip, port }: FlowEnd): string => socketAddress(ip, port);
const flows: Column<BpfFlow>[] = [
  { heading: 'Protocol', cell: ({ protocol }) => protocol },
  { heading: 'Source', cell: ({ source }) => end(source) },
  { heading: 'Identity', cell: ({ source }) => source.identity },
  { heading: 'Destination', cell: ({ destination }) => end(destination) },
  { heading: 'Identity', cell: ({ destination }) => destination.identity },
  { heading: 'State', cell: ({ state }) => state },
  { heading: 'Verdict', cell: ({ verdict }) => verdict },
  { heading: 'Idle', cell: ({ age }) => (age === undefined ? undefined : `${age} s`) },
  { heading: 'Flags', cell: ({ flags }) => flags.join(' ') },
];

const addresses: Column<BpfAddress>[] = [
  { heading: 'Prefix', cell: ({ prefix }) => prefix },
  { heading: 'Kind', cell: ({ kind }) => kind },
  { heading: 'Identity', cell: ({ identity }) => identity },
  { heading: 'Labels', cell: ({ labels }) => labels.join(' ') },
  { heading: 'Endpoint', cell: (row) => row['endpoint-id'] },
];

const metrics: Column<BpfMetric>[] = [
  { heading: 'Reason', cell: ({ reason }) => reason },
  { heading: 'Name', cell: (row) => row['reason-name'] },
  { heading: 'Direction', cell: ({ direction }) => direction },
  { heading: 'Packets', cell: ({ packets }) => packets },
  { heading: 'Bytes', cell: ({ bytes }) => bytes },
];

const services: Column<BpfService>[] = [
  { heading: 'Id', cell: ({ id }) => id },
  { heading: 'Frontend', cell: ({ frontend: { ip, port, protocol, scope } }) => `${socketAddress(ip, port)}/${protocol}${scope === 'internal' ? '/i' : ''}` },
  { heading: 'Backends', cell: ({ backends }) => (backends.length === 0 ? 'none' : backends.map(({ index, ip, port, state, share }) => `${index} ${socketAddress(ip, port)} (${state}, ${Math.round(share * 1000) / 10} %)`).join('\n')) },
  { heading: 'Flags', cell: ({ flags }) => flags.join(' ') },
  { heading: 'Affinity', cell: (row) => (row['affinity-timeout'] === 0 ? undefined : `${row['affinity-timeout']} s`) },
  { heading: 'Sources', cell: (row) => row['source-ranges'].join('\n') },
];

/** `cilium bpf endpoint|policy|ct|ipcache|lb|metrics list`: what the kernel holds, read from its maps by the agent. */
export function addBpf(program: Command, io: Io): void {
  const bpf = program.command('bpf').description("what the kernel's maps hold");
  const lists = {
    endpoint: ['slots of the datapath in use', endpoints, (agent: AgentClient) => agent.listBpfEndpoints()],
    ct: ['connections the datapath remembers', flows, (agent: AgentClient, limit?: number) => agent.listBpfFlows(limit === undefined ? {} : { limit })],
    ipcache: ['addresses and prefixes with their identities', addresses, (agent: AgentClient) => agent.listBpfAddresses()],
    lb: ['services and their backends', services, (agent: AgentClient) => agent.listBpfServices()],
    metrics: ['packets and bytes by reason and direction', metrics, (agent: AgentClient) => agent.listBpfMetrics()],
  } as const;
  for (const [name, [description, columns, list]] of Object.entries(lists)) {
    const leaf = bpf.command(name).description(description).command('list', { isDefault: true }).description(description);
    if (name === 'ct') leaf.option('--limit <entries>', 'at most so many', Number, 10_000);
    leaf.action(async ({ limit }: { limit?: number }, command: Command) => {
      const context = contextOf(io, command);
      printRows(io, context.format, columns as Column<unknown>[], await withAgent<unknown[]>(context, (agent) => list(agent, limit)));
    });
  }
  bpf
    .command('policy')
    .description('policy in force, as runs of ports')
    .command('list [endpoint]', { isDefault: true })
    .description('policy in force of one endpoint, or of all')
    .action(async (endpoint: string | undefined, _options, command: Command) => {
      const context = contextOf(io, command);
      printRows(io, context.format, policy, await withAgent(context, (agent) => agent.listBpfPolicy(endpoint === undefined ? {} : { endpoint })));
    });
}
