import type { IdentityModel } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import type { Io } from '../io.ts';
import { printRows } from '../output/print.ts';
import type { Column } from '../output/table.ts';

const columns: Column<IdentityModel>[] = [
  { heading: 'Id', cell: ({ id }) => id },
  { heading: 'Labels', cell: ({ labels }) => labels.join('\n') },
];

/** `cilium identity list|get`. */
export function addIdentity(program: Command, io: Io): void {
  const identity = program.command('identity').description('security identities: what a set of labels is known by');
  identity
    .command('list [labels...]')
    .description('all identities, or those that carry every given label')
    .action(async (labels: string[], _options, command: Command) => {
      const context = contextOf(io, command);
      const found = await withAgent(context, (agent) => agent.listIdentities({ labels }));
      printRows(io, context.format, columns, found.sort((a, b) => a.id - b.id));
    });
  identity
    .command('get <id>')
    .description('one identity, by number or by the name of a reserved one')
    .action(async (id: string, _options, command: Command) => {
      const context = contextOf(io, command);
      printRows(io, context.format, columns, [await withAgent(context, (agent) => agent.getIdentity(id))]);
    });
}
