import type { AgentClient, Prefilter, PrefilterChange } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';

const list = (value: string, before: string[]): string[] => [...before, ...value.split(',').filter((word) => word !== '')];

const describe = ({ status: { realized } }: Prefilter): string[] => [`Revision: ${realized.revision}`, ...realized.deny];

/** `cilium prefilter list|update|delete`: prefixes whose packets are dropped before the stack. */
export function addPrefilter(program: Command, io: Io): void {
  const prefilter = program.command('prefilter').description("prefixes whose packets are dropped on the node's devices, before the stack");
  prefilter
    .command('list')
    .description('the prefixes, and the revision of the list')
    .action(async (_options, command: Command) => {
      const context = contextOf(io, command);
      const found = await withAgent(context, (agent) => agent.getPrefilter());
      printValue(io, context.format, found, () => describe(found));
    });
  const changes: readonly (readonly [string, string, (agent: AgentClient, change: PrefilterChange) => Promise<Prefilter>])[] = [
    ['update', 'add prefixes, all or none', (agent, change) => agent.addPrefilter(change)],
    ['delete', 'remove prefixes, all or none', (agent, change) => agent.removePrefilter(change)],
  ];
  for (const [name, description, apply] of changes) {
    prefilter
      .command(name)
      .description(description)
      .option('--cidr <prefix>', 'prefixes or addresses, separated by commas; may be repeated', list, [])
      .option('--revision <number>', 'change the list only if it still has this revision')
      .action(async ({ cidr, revision }: { cidr: string[]; revision?: string }, command: Command) => {
        if (cidr.length === 0) throw new CliError(`prefilter ${name}: name the prefixes with --cidr`, { exitCode: 2 });
        if (revision !== undefined && !/^\d+$/.test(revision)) throw new CliError(`--revision: "${revision}" is not a whole number`, { exitCode: 2 });
        const context = contextOf(io, command);
        const found = await withAgent(context, (agent) => apply(agent, { deny: cidr, ...(revision !== undefined && { revision: Number(revision) }) }));
        printValue(io, context.format, found, () => describe(found));
      });
  }
}
