import { parseCidr, parseIp } from '@cilium-ts/core';
import { z } from 'zod';
import { serviceSettings } from './service-options.ts';
import { bool, duration, folder, MIB, whole, words } from './value.ts';

const cidr = (family: 4 | 6) => z.string().refine((text) => text.includes('/') && parseCidr(text)?.family === family, `an IPv${family} prefix such as ${family === 4 ? '10.1.0.0/16' : 'fd00:1::/64'}`);
const address = (family: 4 | 6) => z.string().refine((text) => parseIp(text)?.family === family, `an IPv${family} address`);
const listenAddress = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]*):\d{1,5}$/, 'HOST:PORT or :PORT');

/** One setting: its text form's schema, its default as text (undefined: not set) and what it is for. */
interface Setting {
  readonly schema: z.ZodType;
  readonly default?: string;
  readonly help: string;
  /** Another name for the same setting. */
  readonly alias?: string;
  readonly hidden?: true;
}

/**
 * Every setting of the agent, by its key: the same in flags (`--key`), in the config folder (a file named so) and in the
 * environment (`CILIUM_KEY`). Keys that Cilium has mean what they mean there.
 */
export const settings = {
  'state-dir': { schema: folder, default: '/var/run/cilium/state', help: 'folder for what must survive a restart' },
  'bpf-root': { schema: folder, default: '/sys/fs/bpf/cilium', help: 'bpffs folder for maps and programs; bpffs is mounted on its parent if it is not there' },
  'socket-path': { schema: folder, default: '/var/run/cilium/cilium.sock', help: 'unix socket of the API' },
  'policy-dir': { schema: folder, alias: 'static-cnp-path', help: 'watched folder of policy files' },
  'enable-policy': { schema: z.enum(['default', 'always', 'never']), default: 'default', help: 'when endpoints are enforced: default, always or never' },
  'allow-localhost': { schema: z.enum(['auto', 'always', 'policy']), default: 'auto', help: 'may the node always reach its endpoints: always, or policy decides (auto: policy, as there is no Kubernetes)' },
  'policy-audit-mode': { schema: bool, default: 'false', help: 'report what policy would drop, but let it pass' },
  'enable-ipv4': { schema: bool, default: 'true', help: 'IPv4 for endpoints' },
  'enable-ipv6': { schema: bool, default: 'true', help: 'IPv6 for endpoints' },
  'ipv4-range': { schema: cidr(4), default: '10.244.0.0/16', help: "the node's pool of IPv4 addresses for endpoints" },
  'ipv6-range': { schema: cidr(6), default: 'fd00:10:244::/64', help: "the node's pool of IPv6 addresses for endpoints" },
  'local-router-ipv4': { schema: address(4), help: "the node's own address towards endpoints (first of ipv4-range)" },
  'local-router-ipv6': { schema: address(6), help: "the node's own address towards endpoints (first of ipv6-range)" },
  'enable-ipv4-masquerade': { schema: bool, default: 'true', help: "give IPv4 packets from endpoints that leave the node the node's address" },
  'enable-ipv6-masquerade': { schema: bool, default: 'true', help: "give IPv6 packets from endpoints that leave the node the node's address" },
  'ipv4-native-routing-cidr': { schema: cidr(4), help: 'destinations that are not masqueraded' },
  'ipv6-native-routing-cidr': { schema: cidr(6), help: 'destinations that are not masqueraded' },
  mtu: { schema: whole(1280, 65_520), default: '1500', help: "MTU of endpoints' devices" },
  labels: { schema: words, help: 'label prefixes that make identities (default: all but a list of well-known ones)' },
  'label-prefix-file': { schema: folder, help: 'JSON file with label prefixes' },
  'cluster-name': { schema: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/, 'at most 32 lower-case letters, digits and "-"'), default: 'default', help: 'name of this cluster' },
  'policy-default-local-cluster': { schema: bool, default: 'true', help: 'policies select endpoints of this cluster unless they say otherwise' },
  'prometheus-serve-addr': { schema: listenAddress, help: 'address for Prometheus metrics, such as :9962' },
  'log-format': { schema: z.enum(['text', 'json']), default: 'text', help: 'text (key=value) or json' },
  debug: { schema: bool, default: 'false', help: 'log more' },
  'max-endpoints': { schema: whole(1, 4096), default: '4096', help: 'most endpoints on this node' },
  'bpf-policy-map-max': { schema: whole(2, 16 * MIB), default: '131072', help: 'entries of the policy map (version, direction, identity)' },
  'bpf-policy-rows-max': { schema: whole(64, 2 * MIB), default: '262144', help: 'port boundaries, all distinct rows together' },
  'bpf-address-map-max': { schema: whole(2, 16 * MIB), default: '65536', help: 'exact addresses the datapath knows' },
  'bpf-prefix-map-max': { schema: whole(2, 16 * MIB), default: '65536', help: 'prefixes the datapath knows' },
  'bpf-remote-map-max': { schema: whole(2, 16 * MIB), default: '131072', help: 'remote addresses and prefixes with an identity' },
  'bpf-flow-map-max': { schema: whole(64, 16 * MIB), default: '131072', help: 'connections remembered' },
  'bpf-fragments-map-max': { schema: whole(8, 16 * MIB), default: '8192', help: 'fragmented datagrams followed at a time' },
  'bpf-events-size': { schema: whole(4096, 1024 * MIB), default: String(8 * MIB), help: 'bytes of the ring buffer for events (a power of two)' },
  'bpf-ct-timeout-regular-tcp': { schema: duration, default: '2h13m20s', help: 'forget an established TCP connection after' },
  'bpf-ct-timeout-regular-tcp-syn': { schema: duration, default: '60s', help: 'forget a TCP connection that is being opened after' },
  'bpf-ct-timeout-regular-tcp-fin': { schema: duration, default: '10s', help: 'forget a TCP connection that is being closed after' },
  'bpf-ct-timeout-regular-any': { schema: duration, default: '60s', help: 'forget other connections after' },
  ...serviceSettings,
  'monitor-queue-size': { schema: whole(16, 1_000_000), default: '4096', help: 'events kept for a slow reader of the monitor' },
  'reconcile-interval': { schema: whole(1, 3600), default: '30', help: 'seconds between looks at everything the agent has put in the kernel (tests)', hidden: true },
  failpoint: { schema: z.string(), help: 'kill the agent at a named step (tests)', hidden: true },
} as const satisfies Record<string, Setting>;

/** Key of a setting. */
export type SettingKey = keyof typeof settings;

/** Values by key, checked. Settings without default are undefined unless set. */
export type Settings = {
  readonly [K in SettingKey]: z.output<(typeof settings)[K]['schema']> | ((typeof settings)[K] extends { readonly default: string } ? never : undefined);
};

/** Keys and aliases, each with the key it means. */
export const settingKeys: ReadonlyMap<string, SettingKey> = new Map(
  (Object.entries(settings) as [SettingKey, Setting][]).flatMap(([key, setting]) => [[key, key], ...(setting.alias === undefined ? [] : [[setting.alias, key] as const])] as [string, SettingKey][]),
);
