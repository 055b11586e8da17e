import { release } from 'node:os';
import { failure, LibbpfError } from './error.ts';
import { HELPERS, helperSince, type Helper } from './helper-names.ts';
import { mapTypeNumber, mapTypes, mapTypeSince, type MapType } from './map-type.ts';
import { native } from './native.ts';
import { programTypeNumber, programTypes, programTypeSince, type ProgramType } from './program-type.ts';

/** Something that a kernel may have or lack. */
export type Feature =
  | { readonly kind: 'program'; readonly type: ProgramType }
  | { readonly kind: 'map'; readonly type: MapType }
  /** May programs of this type call the helper? */
  | { readonly kind: 'helper'; readonly helper: Helper; readonly programType: ProgramType }
  | { readonly kind: 'tcx' };

/** The answer to a probe; a negative one says what would provide the feature. */
export type ProbeResult =
  | { readonly feature: Feature; readonly supported: true }
  | { readonly feature: Feature; readonly supported: false; readonly reason: string; /** the first kernel version with it, where known */ readonly since: string | undefined };

/** What a kernel can do, by name. Types that cannot be tried are left out. */
export interface Features {
  readonly programs: Readonly<Partial<Record<ProgramType, boolean>>>;
  readonly maps: Readonly<Partial<Record<MapType, boolean>>>;
  readonly tcx: boolean;
}

// What must be configured besides CONFIG_BPF_SYSCALL.
const OPTIONS: Readonly<Record<string, string>> = {
  'program:kprobe': 'CONFIG_KPROBES and CONFIG_BPF_EVENTS', 'program:tracepoint': 'CONFIG_BPF_EVENTS', 'program:perf_event': 'CONFIG_BPF_EVENTS',
  'program:raw_tracepoint': 'CONFIG_BPF_EVENTS', 'program:raw_tracepoint_writable': 'CONFIG_BPF_EVENTS', 'program:tracing': 'CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF',
  'program:cgroup_skb': 'CONFIG_CGROUP_BPF', 'program:cgroup_sock': 'CONFIG_CGROUP_BPF', 'program:cgroup_device': 'CONFIG_CGROUP_BPF',
  'program:cgroup_sock_addr': 'CONFIG_CGROUP_BPF', 'program:cgroup_sysctl': 'CONFIG_CGROUP_BPF', 'program:cgroup_sockopt': 'CONFIG_CGROUP_BPF',
  'program:lwt_in': 'CONFIG_LWTUNNEL_BPF', 'program:lwt_out': 'CONFIG_LWTUNNEL_BPF', 'program:lwt_xmit': 'CONFIG_LWTUNNEL_BPF',
  'program:lwt_seg6local': 'CONFIG_IPV6_SEG6_BPF', 'program:lirc_mode2': 'CONFIG_BPF_LIRC_MODE2', 'program:lsm': 'CONFIG_BPF_LSM',
  'program:sched_cls': 'CONFIG_NET_CLS_BPF', 'program:sched_act': 'CONFIG_NET_ACT_BPF', 'program:netfilter': 'CONFIG_NETFILTER_BPF_LINK',
  'map:xskmap': 'CONFIG_XDP_SOCKETS', 'map:cgroup_array': 'CONFIG_CGROUPS', 'map:cgroup_storage': 'CONFIG_CGROUP_BPF',
  'map:percpu_cgroup_storage': 'CONFIG_CGROUP_BPF', 'map:stack_trace': 'CONFIG_PERF_EVENTS', 'map:inode_storage': 'CONFIG_BPF_LSM',
  tcx: 'CONFIG_NET_XGRESS',
};

const describeFeature = (feature: Feature): { name: string; since: string | undefined; option: string | undefined } => {
  switch (feature.kind) {
    case 'program':
      return { name: `programs of type ${feature.type}`, since: programTypeSince(feature.type), option: OPTIONS[`program:${feature.type}`] };
    case 'map':
      return { name: `maps of type ${feature.type}`, since: mapTypeSince(feature.type), option: OPTIONS[`map:${feature.type}`] };
    case 'helper':
      return { name: `the helper bpf_${feature.helper} in programs of type ${feature.programType}`, since: helperSince(feature.helper), option: OPTIONS[`program:${feature.programType}`] };
    case 'tcx':
      return { name: 'tcx links', since: '6.6', option: OPTIONS['tcx'] };
  }
};

const ask = (feature: Feature): number => {
  switch (feature.kind) {
    case 'program': return native().probeProgramType(programTypeNumber(feature.type, 'feature.type'));
    case 'map': return native().probeMapType(mapTypeNumber(feature.type, 'feature.type'));
    case 'helper': return native().probeHelper(programTypeNumber(feature.programType, 'feature.programType'), helperNumber(feature.helper));
    case 'tcx': return native().probeTcx();
    default: throw new TypeError(`feature.kind: expected 'program' | 'map' | 'helper' | 'tcx', got ${JSON.stringify((feature as { kind?: unknown }).kind)}`);
  }
};

const helperNumber = (helper: Helper): number => {
  const number = HELPERS.indexOf(helper);
  if (number <= 0) throw new TypeError(`feature.helper: unknown helper ${JSON.stringify(helper)}`);
  return number;
};

/** By the version number. Names the likely cause; the answer itself never depends on it. */
const isOlderThan = (since: string): boolean => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = since.split('.').map(Number);
  return major < sinceMajor || (major === sinceMajor && minor < sinceMinor);
};

const explain = (name: string, since: string | undefined, option: string | undefined): string => {
  const lacks = `this kernel (${release()}) does not have ${name}`;
  if (since === undefined || since === '') return `${lacks}: a newer one may`;
  if (isOlderThan(since)) return `${lacks}: Linux ${since} or newer is needed${option === undefined ? '' : `, with ${option}`}`;
  return `${lacks}, which came with Linux ${since}: ${option === undefined ? 'it may be left out of its configuration, or be for other program types' : `it needs ${option}`}`;
};

const EOPNOTSUPP = -95;
const answers = new Map<string, ProbeResult>();

/**
 * Does the running kernel have a feature? Tried out, not guessed from its version. Conclusive answers are cached.
 * @throws LibbpfError when it cannot be tried: `EPERM` for want of privileges, `NOT_SUPPORTED` for what this package
 * does not know how to try (types newer than its libbpf, helpers in tracing programs)
 */
export const probe = (feature: Feature): ProbeResult => {
  const key = JSON.stringify([feature.kind, 'type' in feature ? feature.type : '', 'helper' in feature ? [feature.helper, feature.programType] : '']);
  const known = answers.get(key);
  if (known !== undefined) return known;
  const answer = ask(feature);
  const { name, since, option } = describeFeature(feature);
  // libbpf 1.1 has no test program for types newer than itself, and none for tracing helpers.
  if (answer === EOPNOTSUPP) throw new LibbpfError('NOT_SUPPORTED', `probing for ${name}: this version of the package cannot try it`);
  if (answer < 0) throw failure(answer, `probing for ${name}`, { syscall: 'bpf' });
  const result: ProbeResult = answer > 0 ? { feature, supported: true } : { feature, supported: false, reason: explain(name, since, option), since };
  answers.set(key, result);
  return result;
};

let all: Features | undefined;

const tryAll = <T extends string>(types: readonly T[], feature: (type: T) => Feature): Partial<Record<T, boolean>> => {
  const found: Partial<Record<T, boolean>> = {};
  for (const type of types) {
    try {
      found[type] = probe(feature(type)).supported;
    } catch (error) {
      if (!(error instanceof LibbpfError && error.code === 'NOT_SUPPORTED')) throw error;
    }
  }
  return found;
};

/** Probes for every program type, every map type and tcx (some 30 ms); cached. @throws LibbpfError `EPERM` */
export const features = (): Features => (all ??= {
  programs: tryAll(programTypes, (type) => ({ kind: 'program', type })),
  maps: tryAll(mapTypes, (type) => ({ kind: 'map', type })),
  tcx: probe({ kind: 'tcx' }).supported,
});
