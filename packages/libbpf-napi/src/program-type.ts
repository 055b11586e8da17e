// linux/bpf.h, enum bpf_prog_type: the index is the number. With each the first kernel version that has it
// (https://github.com/iovisor/bcc/blob/master/docs/kernel-versions.md).
const PROGRAM_TYPES = [
  ['unspec', ''], ['socket_filter', '3.19'], ['kprobe', '4.1'], ['sched_cls', '4.1'], ['sched_act', '4.1'], ['tracepoint', '4.7'], ['xdp', '4.8'],
  ['perf_event', '4.9'], ['cgroup_skb', '4.10'], ['cgroup_sock', '4.10'], ['lwt_in', '4.10'], ['lwt_out', '4.10'], ['lwt_xmit', '4.10'],
  ['sock_ops', '4.13'], ['sk_skb', '4.14'], ['cgroup_device', '4.15'], ['sk_msg', '4.17'], ['raw_tracepoint', '4.17'],
  ['cgroup_sock_addr', '4.17'], ['lwt_seg6local', '4.18'], ['lirc_mode2', '4.18'], ['sk_reuseport', '4.19'], ['flow_dissector', '4.20'],
  ['cgroup_sysctl', '5.2'], ['raw_tracepoint_writable', '5.2'], ['cgroup_sockopt', '5.3'], ['tracing', '5.5'], ['struct_ops', '5.6'],
  ['ext', '5.6'], ['lsm', '5.7'], ['sk_lookup', '5.9'], ['syscall', '5.14'], ['netfilter', '6.4'],
] as const;

/** A program type by its kernel name in lower case; see `programTypes` for all. A type newer than this package reads `type_<number>`. */
export type ProgramType = (typeof PROGRAM_TYPES)[number][0] | `type_${number}`;

/** All program types known to this package. */
export const programTypes: readonly ProgramType[] = PROGRAM_TYPES.slice(1).map(([name]) => name);

export const programTypeName = (type: number): ProgramType => PROGRAM_TYPES[type]?.[0] ?? `type_${type}`;

/** @throws TypeError when there is no such type */
export const programTypeNumber = (name: ProgramType, argument = 'type'): number => {
  const known = PROGRAM_TYPES.findIndex(([candidate]) => candidate === name);
  const number = known >= 0 ? known : Number(/^type_(\d+)$/.exec(name)?.[1] ?? Number.NaN);
  if (Number.isNaN(number)) throw new TypeError(`${argument}: unknown program type ${JSON.stringify(name)}`);
  return number;
};

/** The first kernel version with a program type, where known. */
export const programTypeSince = (name: ProgramType): string | undefined => PROGRAM_TYPES.find(([candidate]) => candidate === name)?.[1];
