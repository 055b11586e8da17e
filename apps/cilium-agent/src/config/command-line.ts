import { AgentError } from '../error.ts';
import { settings, settingKeys } from './options.ts';
import type { SettingKey } from './options.ts';

/** What the command line asks for. */
export interface CommandLine {
  readonly command: 'run' | 'cleanup' | 'help' | 'version' | 'openapi';
  readonly flags: readonly (readonly [string, string])[];
  readonly configDir: string | undefined;
}

const COMMANDS = new Set(['run', 'cleanup', 'help', 'version', 'openapi']);

const isBoolean = (name: string): boolean => {
  const key = settingKeys.get(name);
  return key !== undefined && ['true', 'false'].includes((settings[key] as { default?: string }).default ?? '');
};

/**
 * Reads flags as Cilium's own programs do: `--key=value`, `--key value`, and `--key` alone for what is true or false.
 * A library for command lines would take longer to load than this takes to read.
 */
export const parseCommandLine = (words: readonly string[]): CommandLine => {
  const flags: [string, string][] = [];
  let command: CommandLine['command'] = 'run';
  let configDir: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '-h' || word === '--help') return { command: 'help', flags: [], configDir: undefined };
    if (word === '--version') return { command: 'version', flags: [], configDir: undefined };
    if (!word.startsWith('--')) {
      if (at > 0 || !COMMANDS.has(word)) throw new AgentError('config', `read command line: unexpected ${JSON.stringify(word)}; see \`cilium-agent --help\``);
      command = word as CommandLine['command'];
      continue;
    }
    const [name, value] = split(word.slice(2));
    let text = value;
    const next = words[at + 1];
    if (text === undefined && isBoolean(name) && next !== 'true' && next !== 'false') text = 'true';
    if (text === undefined) {
      if (next === undefined) throw new AgentError('config', `read command line: --${name} needs a value`);
      text = next;
      at++;
    }
    if (name === 'config-dir') configDir = text;
    else flags.push([name, text]);
  }
  return { command, flags, configDir };
};

const split = (word: string): [string, string | undefined] => {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
};

/** The text of `--help`, made from the settings. */
export const helpText = (): string => {
  const line = (key: SettingKey): string[] => {
    const setting: { help: string; default?: string; alias?: string; hidden?: true } = settings[key];
    if (setting.hidden) return [];
    const names = `--${key}${setting.alias === undefined ? '' : `, --${setting.alias}`}`;
    return [`  ${names.padEnd(36)} ${setting.help}${setting.default === undefined ? '' : ` (${setting.default})`}`];
  };
  return [
    'Usage: cilium-agent [run] [flags]     run the agent',
    '       cilium-agent cleanup [flags]   remove everything it made, and restore what it changed (same flags)',
    '       cilium-agent openapi           print the OpenAPI document of the API',
    '',
    'Every setting may also be a file of that name in the folder --config-dir, or an environment variable CILIUM_NAME.',
    '',
    `  ${'--config-dir'.padEnd(36)} folder with one file per setting`,
    ...(Object.keys(settings) as SettingKey[]).flatMap(line),
    '',
  ].join('\n');
};
