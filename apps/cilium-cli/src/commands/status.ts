import type { StatusResponse } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { table } from '../output/table.ts';

/** `cilium status`: exit 0 only when the agent is in order. */
export function addStatus(program: Command, io: Io): void {
  program
    .command('status')
    .description('state of the agent and of each of its parts; exit 1 when something fails')
    .option('--brief', 'one word only')
    .action(async ({ brief }: { brief?: boolean }, command: Command) => {
      const context = contextOf(io, command);
      const status = await withAgent(context, (agent) => agent.healthz());
      if (brief) io.print(status.cilium.state === 'Ok' ? 'OK' : status.cilium.state);
      else printValue(io, context.format, status, () => describe(status));
      if (status.cilium.state === 'Failure') io.exit(1);
    });
}

function describe(status: StatusResponse): string[] {
  const { endpoints, addressing, nodeMonitor } = status;
  const failing = endpoints.failing.length === 0 ? '' : `, failing: ${endpoints.failing.join(' ')}`;
  const rows: [string, string][] = [
    ['Cilium', `${state(status.cilium)}   ${status.version} (pid ${status.pid}, since ${status['start-time']})`],
    ['Datapath', state(status.datapath)],
    ['Policy', `${state(status.policy)}   revision ${status['policy-revision']}`],
    ['Services', state(status.services)],
    ['Endpoints', `${endpoints.ready}/${endpoints.total} ready${failing}`],
    ['IPv4', addressing.ipv4.enabled ? `${addressing.ipv4.ip ?? ''}   pool ${addressing.ipv4['alloc-range'] ?? ''}` : 'disabled'],
    ['IPv6', addressing.ipv6.enabled ? `${addressing.ipv6.ip ?? ''}   pool ${addressing.ipv6['alloc-range'] ?? ''}` : 'disabled'],
    ['Masquerading', status.masquerading.enabled ? status.masquerading.mode : 'disabled'],
    ['Monitor', `${nodeMonitor.listeners} listeners, ${nodeMonitor.lost} events lost`],
    ...Object.entries(status.parts).map(([name, part]): [string, string] => [`  ${name}`, state(part)]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 1;
  const lines = rows.map(([name, value]) => `${`${name}:`.padEnd(width)}   ${value}`.trimEnd());
  const failed = status.controllers.filter((one) => one.status['consecutive-failure-count'] > 0);
  if (failed.length > 0) lines.push('', ...table([{ heading: 'Failing', cell: (one) => one.name }, { heading: 'Times', cell: (one) => one.status['consecutive-failure-count'] }, { heading: 'Last error', cell: (one) => one.status['last-failure-msg'] }], failed));
  return [...lines, ...status.warnings.map((warning) => `Warning: ${warning}`)];
}

function state({ state: word, msg }: { state: string; msg?: string | undefined }): string {
  return msg === undefined || msg === '' ? word : `${word} (${msg})`;
}
