import { MonitorType } from '@cilium-ts/agent-api';
import { Option, type Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import type { Io } from '../io.ts';
import { createEventFormatter } from '../output/event.ts';

interface MonitorOptions {
  readonly type: string[];
  readonly relatedTo?: number;
}

/** `cilium monitor`: events until interrupted. */
export function addMonitor(program: Command, io: Io): void {
  program
    .command('monitor')
    .description('watch drops, policy verdicts and first packets as they happen, until interrupted')
    .addOption(new Option('-t, --type <type...>', 'only these').choices(MonitorType.options).default([]))
    .option('--related-to <endpoint>', 'only what has this endpoint at either end', Number)
    .action(async ({ type, relatedTo }: MonitorOptions, command: Command) => {
      const context = contextOf(io, command);
      const format = context.format === 'table' ? createEventFormatter({ colours: io.colours }) : JSON.stringify;
      const filter = { types: type as MonitorType[], ...(relatedTo === undefined ? {} : { relatedTo }) };
      await withAgent(context, async (agent) => {
        for await (const event of agent.monitor(filter, { signal: io.interrupted })) io.print(format(event));
      }).catch((error: unknown) => {
        if (!io.interrupted.aborted) throw error; // interrupting is how a monitor ends
      });
    });
}
