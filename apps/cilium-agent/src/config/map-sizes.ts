import { MAPS } from '@cilium-ts/datapath-layout';
import { DatapathError } from '@cilium-ts/datapath-programs';
import type { openDatapath } from '@cilium-ts/datapath-programs';
import { AgentError } from '../error.ts';
import type { SettingKey, Settings } from './options.ts';

/** The setting that each map has its size from. */
const SIZE_SETTINGS = {
  cilium_policy: 'bpf-policy-map-max', cilium_rows: 'bpf-policy-rows-max', cilium_addresses: 'bpf-address-map-max', cilium_prefixes: 'bpf-prefix-map-max',
  cilium_remotes: 'bpf-remote-map-max', cilium_flows: 'bpf-flow-map-max', cilium_fragments: 'bpf-fragments-map-max', cilium_events: 'bpf-events-size',
  cilium_frontends: 'bpf-lb-map-max', cilium_backends: 'bpf-lb-backend-map-max', cilium_pool_members: 'bpf-lb-backend-map-max',
  cilium_service_runs: 'bpf-lb-backend-map-max',
} as const satisfies Record<string, SettingKey>;

/** Sizes of the maps, from the settings. */
export const mapSizes = (values: Settings): NonNullable<Parameters<typeof openDatapath>[1]['sizes']> => ({
  ...(Object.fromEntries(Object.entries(SIZE_SETTINGS).map(([name, key]) => [name, values[key]])) as Record<keyof typeof SIZE_SETTINGS, number>),
  // Each address may have an entry besides, for its ports that are no service's.
  cilium_frontends: 2 * values['bpf-lb-map-max'],
  cilium_service_runs: runWords(values),
});

/** Words for the choices of backends, two indexes each: room for every backend to be named twice, by what was chosen before and after a change. */
export const runWords = (values: Pick<Settings, 'bpf-lb-backend-map-max'>): number => Math.max(MAPS.cilium_service_runs.maxEntries, values['bpf-lb-backend-map-max']);

/** Has the error over a map of another size name the setting. Throws it, or `error` as it is. */
export const nameSizeSetting = (error: unknown): never => {
  const map = error instanceof DatapathError && error.code === 'layout-mismatch' ? /\/(cilium_\w+):/.exec(error.message)?.[1] : undefined;
  const key = SIZE_SETTINGS[map as keyof typeof SIZE_SETTINGS] as SettingKey | undefined;
  if (key === undefined) throw error;
  throw new AgentError('config', `${(error as Error).message}; its size follows --${key}`, { cause: error });
};
