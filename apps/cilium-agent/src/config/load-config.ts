import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ZodError } from 'zod';
import { AgentError } from '../error.ts';
import { settingKeys, settings } from './options.ts';
import type { SettingKey, Settings } from './options.ts';

/** The agent's configuration: values, and where each came from (`default`, `flag --x`, `/etc/…/x`, `environment CILIUM_X`). */
export interface Config {
  readonly values: Settings;
  readonly sources: Readonly<Record<SettingKey, string>>;
  /** Things an operator should know, such as environment variables that mean nothing. */
  readonly warnings: readonly string[];
}

/** A setting as text with its origin. */
interface Given {
  readonly text: string;
  readonly source: string;
}

/** Where settings may come from. */
export interface ConfigSources {
  /** Key and text of each flag, without the dashes. */
  readonly flags: readonly (readonly [string, string])[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder with one file per key. */
  readonly configDir?: string | undefined;
}

const fail = (source: string, message: string): AgentError => new AgentError('config', `read configuration: ${source}: ${message}`);

const known = (name: string, source: string): SettingKey => {
  const key = settingKeys.get(name);
  if (key === undefined) throw fail(source, `there is no setting ${JSON.stringify(name)}; \`cilium-agent --help\` lists them`);
  return key;
};

const put = (into: Map<SettingKey, Given>, key: SettingKey, given: Given): void => {
  const before = into.get(key);
  if (before && before.text !== given.text) throw fail(given.source, `${key} is given twice: ${JSON.stringify(before.text)} (${before.source}) and ${JSON.stringify(given.text)}`);
  into.set(key, given);
};

const fromFolder = (folder: string): Map<SettingKey, Given> => {
  const found = new Map<SettingKey, Given>();
  let names: string[];
  try {
    // Kubernetes mounts a ConfigMap with hidden entries beside the keys.
    names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (cause) {
    throw new AgentError('config', `read configuration: the folder ${folder} can not be read; make it, or leave out --config-dir`, { cause });
  }
  for (const name of names) {
    const path = join(folder, name);
    if (!statSync(path).isFile()) throw fail(path, 'is not a file; the folder holds one file per setting');
    put(found, known(name, path), { text: readFileSync(path, 'utf8').trim(), source: path });
  }
  return found;
};

const fromEnvironment = (environment: ConfigSources['environment'], warnings: string[]): Map<SettingKey, Given> => {
  const found = new Map<SettingKey, Given>();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('CILIUM_') || text === undefined || name === 'CILIUM_CONFIG_DIR') continue;
    const key = settingKeys.get(name.slice('CILIUM_'.length).toLowerCase().replaceAll('_', '-'));
    // Not an error: Kubernetes puts variables of every service into the environment, CILIUM_AGENT_SERVICE_HOST for one.
    if (key === undefined) warnings.push(`environment variable ${name} names no setting and is ignored`);
    else put(found, key, { text, source: `environment ${name}` });
  }
  return found;
};

const fromFlags = (flags: ConfigSources['flags']): Map<SettingKey, Given> => {
  const found = new Map<SettingKey, Given>();
  for (const [name, text] of flags) put(found, known(name, `flag --${name}`), { text, source: `flag --${name}` });
  return found;
};

/** What a setting has to be, from what its schema says of a value that is something else. */
const expectation = ({ issues: [issue] }: ZodError): string => (issue?.code === 'invalid_value' ? `one of ${issue.values.join(', ')}` : (issue?.message ?? 'valid'));

const checked = (given: ReadonlyMap<SettingKey, Given>): Pick<Config, 'values' | 'sources'> => {
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const key of Object.keys(settings) as SettingKey[]) {
    const setting: { readonly schema: (typeof settings)[SettingKey]['schema']; readonly default?: string } = settings[key];
    const { text, source } = given.get(key) ?? { text: setting.default, source: 'default' };
    sources[key] = source;
    if (text === undefined) continue;
    const result = setting.schema.safeParse(text);
    if (!result.success) throw fail(source, `${key} is ${JSON.stringify(text)}, but has to be ${expectation(result.error)}`);
    values[key] = result.data;
  }
  return { values: values as Settings, sources: sources as Record<SettingKey, string> };
};

/** Settings that mean nothing to a load balancer alone. */
const ENDPOINT_SETTINGS = ['policy-dir', 'enable-bpf-masquerade'] as const satisfies readonly SettingKey[];

const checkTogether = ({ values, sources }: Pick<Config, 'values' | 'sources'>, warnings: string[]): void => {
  if (!values['enable-ipv4'] && !values['enable-ipv6']) throw fail(sources['enable-ipv6'], 'enable-ipv4 and enable-ipv6 are both false; endpoints need one');
  const size = values['bpf-events-size'];
  if ((size & (size - 1)) !== 0) throw fail(sources['bpf-events-size'], `bpf-events-size is ${size}, but has to be a power of two`);
  const probing = values['bpf-lb-health-interval'];
  if (probing < 0.1) throw fail(sources['bpf-lb-health-interval'], `bpf-lb-health-interval is ${probing} s, but has to be 100ms or more`);
  if (values['enable-ip-masq-agent'] && !values['enable-bpf-masquerade']) throw fail(sources['enable-ip-masq-agent'], 'enable-ip-masq-agent needs enable-bpf-masquerade: nftables leaves out what ipv4-native-routing-cidr and ipv6-native-routing-cidr say');
  if (values.mode !== 'lb-only') return;
  for (const key of ENDPOINT_SETTINGS) if (sources[key] !== 'default') warnings.push(`${key} (${sources[key]}) means nothing with mode lb-only and is ignored`);
};

/**
 * Reads the settings: flags before environment before the config folder before defaults. Throws AgentError `config`
 * naming the place of what is wrong: an unknown key, a value that is not allowed, two values for one key.
 */
export const loadConfig = (from: ConfigSources): Config => {
  const warnings: string[] = [];
  const folder = from.configDir ?? from.environment['CILIUM_CONFIG_DIR'];
  const given = new Map([...(folder === undefined ? [] : fromFolder(folder)), ...fromEnvironment(from.environment, warnings), ...fromFlags(from.flags)]);
  const config = checked(given);
  checkTogether(config, warnings);
  return { ...config, warnings };
};
