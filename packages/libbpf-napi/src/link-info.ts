import type { RawLinkInfo } from './native-binding.ts';

// linux/bpf.h, enum bpf_link_type: the index is the number.
const KINDS = ['unspec', 'raw_tracepoint', 'tracing', 'cgroup', 'iter', 'netns', 'xdp', 'perf_event', 'kprobe_multi', 'struct_ops', 'netfilter', 'tcx', 'uprobe_multi', 'netkit', 'sockmap'] as const;

/** What a link attaches to, by its kernel name. One newer than this package reads `type_<number>`. */
export type LinkKind = (typeof KINDS)[number] | `type_${number}`;

/** What the kernel says about a link. */
export interface LinkInfo {
  readonly id: number;
  /** enum bpf_link_type of linux/bpf.h: 3 is cgroup, 5 netns, 6 XDP, 11 tcx. */
  readonly type: number;
  /** `type` by name. */
  readonly kind: LinkKind;
  readonly programId: number;
  /** Of a tcx or XDP link; 0 once its device is gone, and of other kinds. */
  readonly ifindex: number;
  /** Of a tcx link. */
  readonly direction: 'ingress' | 'egress' | undefined;
  /** Of a cgroup link: the inode number of the cgroup's folder; 0 once that is gone. */
  readonly cgroupId: bigint | undefined;
  /** Of a netns link: the inode number of the network namespace; 0 once that is gone. */
  readonly netnsInode: number | undefined;
  /** Of a tcx, cgroup or netns link: enum bpf_attach_type of linux/bpf.h. */
  readonly attachType: number | undefined;
}

const TCX_INGRESS = 46; // linux/bpf.h since 6.6, enum bpf_attach_type

/** Reads the words of struct bpf_link_info by the kind of link. */
export const linkInfo = ([type, id, programId, first, second, third]: RawLinkInfo): LinkInfo => {
  const kind = KINDS[type] ?? (`type_${type}` as const);
  const base = { id, type, kind, programId, ifindex: 0, direction: undefined, cgroupId: undefined, netnsInode: undefined, attachType: undefined };
  switch (kind) {
    case 'tcx':
      return { ...base, ifindex: first, attachType: second, direction: second === TCX_INGRESS ? 'ingress' : 'egress' };
    case 'xdp':
      return { ...base, ifindex: first };
    case 'cgroup':
      return { ...base, cgroupId: (BigInt(second) << 32n) | BigInt(first), attachType: third };
    case 'netns':
      return { ...base, netnsInode: first, attachType: second };
    default:
      return base;
  }
};
