import type { DaemonConfigurationSpec } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { table } from '../output/table.ts';

/** `cilium config [NAME=VALUE…]`. */
export function addConfig(program: Command, io: Io): void {
  program
    .command('config [settings...]')
    .description('configuration in force and where each value came from; NAME=VALUE changes what may change at run time (PolicyEnforcement, PolicyAuditMode, Debug)')
    .action(async (settings: string[], _options, command: Command) => {
      const context = contextOf(io, command);
      const change = parseSettings(settings);
      const configuration = await withAgent(context, (agent) => (change === undefined ? agent.config() : agent.patchConfig(change)));
      const { daemonConfigurationMap: values, sources, realized } = configuration.status;
      printValue(io, context.format, configuration, () => [
        `PolicyEnforcement: ${realized['policy-enforcement'] ?? 'default'}`,
        ...Object.entries(realized.options ?? {}).map(([name, value]) => `${name}: ${value}`),
        '',
        ...table<string>(
          [{ heading: 'Setting', cell: (name) => name }, { heading: 'Value', cell: (name) => show(values[name]) }, { heading: 'From', cell: (name) => sources[name] ?? 'default' }],
          Object.keys(values).sort(),
        ),
      ]);
    });
}

function parseSettings(settings: readonly string[]): DaemonConfigurationSpec | undefined {
  if (settings.length === 0) return undefined;
  const options: Record<string, string> = {};
  let enforcement: string | undefined;
  for (const setting of settings) {
    const [name, value] = split(setting);
    if (name === 'PolicyEnforcement') enforcement = value;
    else options[name] = value;
  }
  // The agent checks names and values, and says which it takes.
  return { ...(Object.keys(options).length > 0 ? { options } : {}), ...(enforcement === undefined ? {} : { 'policy-enforcement': enforcement as 'default' }) };
}

function split(setting: string): [string, string] {
  const at = setting.indexOf('=');
  if (at < 1) throw new CliError(`config: "${setting}" is not of the form NAME=VALUE`, { exitCode: 2 });
  return [setting.slice(0, at), setting.slice(at + 1)];
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
}
