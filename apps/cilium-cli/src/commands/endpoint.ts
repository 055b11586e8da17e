import type { Endpoint, EndpointChangeRequest } from '@cilium-ts/agent-api';
import { parseLabel } from '@cilium-ts/identity';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printRows, printValue } from '../output/print.ts';
import { table, type Column } from '../output/table.ts';

const address = (endpoint: Endpoint, family: 'ipv4' | 'ipv6'): string | undefined => endpoint.status.networking.addressing[0]?.[family];
const name = ({ status }: Endpoint): string | undefined => status['external-identifiers']['pod-name'] ?? status['external-identifiers']['container-name'];

const columns: Column<Endpoint>[] = [
  { heading: 'Endpoint', cell: ({ id }) => id },
  { heading: 'Name', cell: name },
  { heading: 'Policy', cell: ({ status }) => status.policy.realized['policy-enabled'] },
  { heading: 'Identity', cell: ({ status }) => status.identity?.id },
  { heading: 'Labels', cell: ({ status }) => status.identity?.labels.join('\n') },
  { heading: 'IPv4', cell: (endpoint) => address(endpoint, 'ipv4') },
  { heading: 'IPv6', cell: (endpoint) => address(endpoint, 'ipv6') },
  { heading: 'Status', cell: ({ status }) => status.state },
  { heading: 'Health', cell: ({ status }) => status.health.overallHealth },
];

const reference = "number, or container-name:NAME, pod-name:NAMESPACE/NAME, container-id:ID, ipv4:ADDRESS, ipv6:ADDRESS";
const collect = (value: string, before: string[]): string[] => [...before, value];

/** `cilium endpoint list|get|create|delete|labels|log`. */
export function addEndpoint(program: Command, io: Io): void {
  const endpoint = program.command('endpoint').description('workloads attached to the datapath');
  addReaders(endpoint, io);
  addCreate(endpoint, io);
  addChangers(endpoint, io);
}

function addReaders(endpoint: Command, io: Io): void {
  endpoint
    .command('list')
    .description('all endpoints')
    .option('-l, --label <label>', 'only those that carry this label; may be repeated', collect, [])
    .action(async ({ label }: { label: string[] }, command: Command) => {
      const context = contextOf(io, command);
      printRows(io, context.format, columns, await withAgent(context, (agent) => agent.listEndpoints({ labels: label })));
    });
  endpoint
    .command('get <endpoint>')
    .description(`one endpoint whole (${reference})`)
    .action(async (id: string, _options, command: Command) => {
      const context = contextOf(io, command);
      const found = await withAgent(context, (agent) => agent.getEndpoint(id));
      printValue(io, context.format === 'table' ? 'json' : context.format, found, () => []);
    });
  endpoint
    .command('log <endpoint>')
    .description('what happened to it, newest last')
    .action(async (id: string, _options, command: Command) => {
      const context = contextOf(io, command);
      const log = await withAgent(context, (agent) => agent.getEndpointLog(id));
      printRows(io, context.format, [{ heading: 'Time', cell: (one) => one.timestamp }, { heading: 'Status', cell: (one) => one.code }, { heading: 'State', cell: (one) => one.state }, { heading: 'Message', cell: (one) => one.message }], log);
    });
}

interface CreateOptions {
  readonly netns: string;
  readonly name?: string;
  readonly label: string[];
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly interface?: string;
  readonly namespace?: string;
  readonly mtu?: string;
}

function addCreate(endpoint: Command, io: Io): void {
  endpoint
    .command('create')
    .description('attach a network namespace of this machine; returns when its policy is in force')
    .requiredOption('--netns <path|name>', 'the namespace: a path, or a name as `ip netns` knows it')
    .option('--name <name>', 'what people call it')
    .option('--label <key=value>', 'a label, with its source where it has one (k8s:app=web); may be repeated', collect, [])
    .option('--namespace <namespace>', 'its Kubernetes namespace: namespaced policies apply to endpoints of their own namespace')
    .option('--ipv4 <address>', "instead of one from the node's pool")
    .option('--ipv6 <address>', "instead of one from the node's pool")
    .option('--interface <name>', 'name of the device inside the namespace', 'eth0')
    .option('--mtu <bytes>', "instead of the node's")
    .action(async (options: CreateOptions, command: Command) => {
      const context = contextOf(io, command);
      const created = await withAgent(context, (agent) => agent.createEndpoint(request(options)));
      printValue(io, context.format, created, () => table(columns, [created]));
    });
}

function request({ netns, name: container, label, ipv4, ipv6, interface: device, namespace, mtu }: CreateOptions): EndpointChangeRequest {
  const addressing = { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
  return {
    'container-netns-path': netns,
    labels: label,
    ...(container === undefined ? {} : { 'container-name': container }),
    ...(namespace === undefined ? {} : { 'k8s-namespace': namespace, ...(container === undefined ? {} : { 'k8s-pod-name': container }) }),
    ...(device === undefined ? {} : { 'container-interface-name': device }),
    ...(Object.keys(addressing).length === 0 ? {} : { addressing }),
    ...(mtu === undefined ? {} : { mtu: wholeNumber('--mtu', mtu) }),
  };
}

function addChangers(endpoint: Command, io: Io): void {
  endpoint
    .command('delete <endpoint>')
    .description('detach it and forget it')
    .action(async (id: string, _options, command: Command) => {
      const context = contextOf(io, command);
      const { errors } = await withAgent(context, (agent) => agent.deleteEndpoint(id));
      for (const error of errors) io.warn(`cilium: ${error}`);
      printValue(io, context.format, { deleted: id, errors }, () => [`endpoint ${id} deleted`]);
    });
  endpoint
    .command('labels <endpoint>')
    .description('show its labels, or change them: the new identity is in force when the command returns')
    .option('-a, --add <label>', 'a label to add or replace; may be repeated', collect, [])
    .option('-d, --delete <label>', 'a label to remove, by source and key; may be repeated', collect, [])
    .action(async (id: string, { add, delete: remove }: { add: string[]; delete: string[] }, command: Command) => {
      const context = contextOf(io, command);
      const labels = await withAgent(context, async (agent) => {
        const current = await agent.getEndpointLabels(id);
        return add.length + remove.length === 0 ? current : agent.setEndpointLabels(id, change(current.spec.user, add, remove));
      });
      printValue(io, context.format, labels, () => [...labels.status['security-relevant'].map((label) => `${label}   (identity)`), ...(labels.status.derived ?? [])]);
    });
}

/** Source and key; a label without a source is a Kubernetes one, as for the agent. */
function keyOf(text: string): string {
  const { source, key } = parseLabel(text);
  return `${source === 'unspec' ? 'k8s' : source}:${key}`;
}

/** The user's labels after additions (which replace by key) and removals. */
function change(labels: readonly string[], add: readonly string[], remove: readonly string[]): string[] {
  const missing = remove.find((label) => !labels.some((one) => keyOf(one) === keyOf(label)));
  if (missing !== undefined) throw new CliError(`endpoint labels: it has no label ${keyOf(missing)}; it has ${labels.join(' ')}`);
  const gone = new Set([...add, ...remove].map(keyOf));
  return [...labels.filter((label) => !gone.has(keyOf(label))), ...add];
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new CliError(`${option}: "${text}" is not a whole number`, { exitCode: 2 });
  return Number(text);
}
