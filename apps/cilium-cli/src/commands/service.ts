import type { BackendAddress, FrontendAddress, Service, ServiceFlow } from '@cilium-ts/agent-api';
import { type Command, Option } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { formatIssue } from '../output/issue.ts';
import { printRows, printValue } from '../output/print.ts';
import { table, type Column } from '../output/table.ts';
import { parseSocketAddress, socketAddress } from '../socket-address.ts';
import { addServiceUpdate } from './service-update.ts';

const frontend = ({ ip, port, protocol, scope }: FrontendAddress): string => `${socketAddress(ip, port)}/${protocol}${scope === 'internal' ? '/i' : ''}`;
const backend = ({ ip, port, protocol, state = 'active' }: BackendAddress, at: number): string => `${at + 1} => ${socketAddress(ip, port)}${protocol === undefined ? '' : `/${protocol}`} (${state})`;

const columns: Column<Service>[] = [
  { heading: 'Id', cell: ({ spec }) => (spec.id === 0 ? undefined : spec.id) },
  { heading: 'Frontend', cell: ({ spec }) => frontend(spec['frontend-address']) },
  { heading: 'Service type', cell: ({ spec }) => spec.flags.type },
  { heading: 'Name', cell: ({ spec: { flags } }) => (flags.name === undefined ? undefined : `${flags.namespace ?? 'default'}/${flags.name}`) },
  { heading: 'Backend', cell: ({ status }) => status.realized['backend-addresses'].map(backend).join('\n') },
  { heading: 'Problem', cell: ({ status }) => status.problem },
];

/** `cilium service list|get|update|delete|explain`. */
export function addService(program: Command, io: Io): void {
  const service = program.command('service').description('load-balanced services and their backends');
  addReaders(service, io);
  addServiceUpdate(service, io);
  addDelete(service, io);
  addExplain(service, io);
}

function addReaders(service: Command, io: Io): void {
  service
    .command('list')
    .description('all services, a frontend a row; files of the service folder that can not be used are named below')
    .action(async (_options, command: Command) => {
      const context = contextOf(io, command);
      const { services, files } = await withAgent(context, async (agent) => ({ services: await agent.listServices(), files: await agent.listServiceFiles() }));
      printRows(io, context.format, columns, services);
      for (const { path, status, issues } of files.filter((file) => file.status !== 'accepted')) {
        io.warn(`${path}: ${status}`);
        for (const issue of issues) io.warn(formatIssue(issue));
      }
    });
  service
    .command('get <id>')
    .description('one service')
    .action(async (id: string, _options, command: Command) => {
      const context = contextOf(io, command);
      const found = await withAgent(context, (agent) => agent.getService(serviceId(id)));
      printValue(io, context.format, found, () => table(columns, [found]));
    });
}

function addDelete(service: Command, io: Io): void {
  service
    .command('delete [id]')
    .description('delete a service that was given to the agent (one that came from a file is deleted there)')
    .option('--all', 'every service that was given to the agent')
    .action(async (id: string | undefined, { all }: { all?: boolean }, command: Command) => {
      if ((id === undefined) !== (all === true)) throw new CliError('service delete: give the number of one service, or --all', { exitCode: 2 });
      const context = contextOf(io, command);
      const deleted = await withAgent(context, async (agent) => {
        const ids = id === undefined ? (await agent.listServices()).filter(({ status }) => status.source === 'api').map(({ spec }) => spec.id) : [serviceId(id)];
        for (const each of ids) await agent.deleteService(each);
        return ids;
      });
      printValue(io, context.format, deleted, () => deleted.map((each) => `service ${each} deleted`));
    });
}

interface ExplainOptions {
  readonly client?: string;
  readonly cookie?: string;
  readonly protocol: ServiceFlow['protocol'];
  readonly from?: 'inside' | 'outside';
}

function addExplain(service: Command, io: Io): void {
  service
    .command('explain <address:port>')
    .description('which backend a flow to this frontend gets, and why; exit 1 when it gets none')
    .option('--client <address[:port]>', 'who opens it, as the datapath sees packets')
    .option('--cookie <number>', 'number of the socket that opens it, as the datapath sees connections at the socket')
    .addOption(new Option('--protocol <protocol>', 'protocol of the flow').choices(['TCP', 'UDP', 'SCTP']).default('TCP'))
    .addOption(new Option('--from <side>', 'whether the client is part of the cluster').choices(['inside', 'outside']))
    .action(async (address: string, { client, cookie, protocol, from }: ExplainOptions, command: Command) => {
      const { ip, port } = parseSocketAddress('service explain', address);
      const who = client === undefined ? undefined : parseSocketAddress('--client', client, { port: 0 });
      const flow: ServiceFlow = {
        ip, port, protocol, ...(who && { client: who.ip, 'client-port': who.port }), ...(cookie !== undefined && { cookie }), ...(from !== undefined && { from }),
      };
      const context = contextOf(io, command);
      const found = await withAgent(context, (agent) => agent.explainService(flow));
      printValue(io, context.format, found, () => found.text.split('\n'));
      if (found.backend === undefined) io.exit(1);
    });
}

function serviceId(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new CliError(`service: "${text}" is not the number of a service; \`cilium service list\` shows them`, { exitCode: 2 });
  return Number(text);
}
