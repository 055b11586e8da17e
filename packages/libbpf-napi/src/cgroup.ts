import { statfsSync } from 'node:fs';
import { checkChoice, checkString } from './arguments.ts';
import { LibbpfError } from './error.ts';
import { unwrap } from './handle.ts';
import { Link } from './link.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';
import type { ProgramType } from './program-type.ts';
import { refusal } from './refusal.ts';

// linux/bpf.h, enum bpf_attach_type, under the names that libbpf gives the sections: SEC("cgroup/connect4") and so on.
const ATTACH_TYPES = {
  ingress: [0, 'cgroup_skb', 'cgroup_skb/ingress'], egress: [1, 'cgroup_skb', 'cgroup_skb/egress'],
  sock_create: [2, 'cgroup_sock', 'cgroup/sock_create'], sock_release: [34, 'cgroup_sock', 'cgroup/sock_release'],
  post_bind4: [12, 'cgroup_sock', 'cgroup/post_bind4'], post_bind6: [13, 'cgroup_sock', 'cgroup/post_bind6'],
  bind4: [8, 'cgroup_sock_addr', 'cgroup/bind4'], bind6: [9, 'cgroup_sock_addr', 'cgroup/bind6'],
  connect4: [10, 'cgroup_sock_addr', 'cgroup/connect4'], connect6: [11, 'cgroup_sock_addr', 'cgroup/connect6'],
  sendmsg4: [14, 'cgroup_sock_addr', 'cgroup/sendmsg4'], sendmsg6: [15, 'cgroup_sock_addr', 'cgroup/sendmsg6'],
  recvmsg4: [19, 'cgroup_sock_addr', 'cgroup/recvmsg4'], recvmsg6: [20, 'cgroup_sock_addr', 'cgroup/recvmsg6'],
  getpeername4: [29, 'cgroup_sock_addr', 'cgroup/getpeername4'], getpeername6: [30, 'cgroup_sock_addr', 'cgroup/getpeername6'],
  getsockname4: [31, 'cgroup_sock_addr', 'cgroup/getsockname4'], getsockname6: [32, 'cgroup_sock_addr', 'cgroup/getsockname6'],
  connect_unix: [49, 'cgroup_sock_addr', 'cgroup/connect_unix'], sendmsg_unix: [50, 'cgroup_sock_addr', 'cgroup/sendmsg_unix'],
  recvmsg_unix: [51, 'cgroup_sock_addr', 'cgroup/recvmsg_unix'], getpeername_unix: [52, 'cgroup_sock_addr', 'cgroup/getpeername_unix'],
  getsockname_unix: [53, 'cgroup_sock_addr', 'cgroup/getsockname_unix'],
  sock_ops: [3, 'sock_ops', 'sockops'], device: [6, 'cgroup_device', 'cgroup/dev'], sysctl: [18, 'cgroup_sysctl', 'cgroup/sysctl'],
  getsockopt: [21, 'cgroup_sockopt', 'cgroup/getsockopt'], setsockopt: [22, 'cgroup_sockopt', 'cgroup/setsockopt'],
} as const satisfies Record<string, readonly [type: number, program: ProgramType, section: string]>;

/** When a program attached to a cgroup runs: the last part of its section, `connect4` for SEC("cgroup/connect4"). */
export type CgroupAttachType = keyof typeof ATTACH_TYPES;

/** All of them. Those for unix sockets need Linux 6.7. */
export const cgroupAttachTypes: readonly CgroupAttachType[] = Object.keys(ATTACH_TYPES) as CgroupAttachType[];

export interface CgroupAttachment {
  /** The cgroup's folder, on a cgroup2 file system. The programs see what its processes do, and those of the groups below. */
  readonly cgroup: string;
  readonly type: CgroupAttachType;
  /** Must have been loaded for this very type: by its section, or OpenObject.setProgramType(). */
  readonly program: Program;
}

export interface CgroupQuery {
  readonly cgroup: string;
  readonly type: CgroupAttachType;
  /** All that run for the group's processes, those of its ancestors included; else only those attached to the group itself. */
  readonly effective?: boolean;
}

/** What is attached to a cgroup, in the order of running. */
export interface CgroupPrograms {
  readonly programIds: readonly number[];
  /**
   * May groups below have programs of their own? `none`: not as long as there is one here; `override`: theirs replace
   * these; `multi`: both run. Links are always `multi`. `undefined` where nothing is attached, or `effective` was asked for.
   */
  readonly mode: 'none' | 'override' | 'multi' | undefined;
}

const BPF_F_ALLOW_OVERRIDE = 1 << 0, BPF_F_ALLOW_MULTI = 1 << 1, BPF_F_QUERY_EFFECTIVE = 1 << 0; // linux/bpf.h
const CGROUP2_MAGIC = 0x63677270, CGROUP1_MAGIC = 0x27e0eb; // linux/magic.h

/** What can be said of a folder better than by the kernel, which answers EBADF. */
const requireCgroup2 = (path: string, action: string): void => {
  let magic: number;
  try {
    magic = statfsSync(path).type;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'ENOENT' : 'EIO';
    throw new LibbpfError(code, `${action}: ${code === 'ENOENT' ? 'there is no such folder' : (cause as Error).message}`, { path, syscall: 'statfs', cause });
  }
  if (magic === CGROUP2_MAGIC) return;
  const what = magic === CGROUP1_MAGIC ? 'it belongs to a cgroup hierarchy of version 1' : `it is no cgroup (its file system has the magic number 0x${magic.toString(16)})`;
  throw new LibbpfError('NOT_CGROUP2', `${action}: ${what}; name a folder of a cgroup2 file system, such as /sys/fs/cgroup or /sys/fs/cgroup/unified (mount -t cgroup2 none FOLDER)`, { path });
};

const checkTarget = ({ cgroup, type }: { readonly cgroup: string; readonly type: CgroupAttachType }, verb: string, argument: string): { action: string; attachType: number } => {
  checkString(cgroup, `${argument}.cgroup`);
  checkChoice(type, `${argument}.type`, cgroupAttachTypes);
  const action = `${verb} cgroup ${cgroup} (${type})`;
  requireCgroup2(cgroup, action);
  return { action, attachType: ATTACH_TYPES[type][0] };
};

/**
 * Attaches a program to a cgroup by a link (Linux 5.7). It lasts until the link is closed or, if pinned, its pin
 * removed, or until the cgroup is removed. Programs of several links run one after the other, in the order of attaching.
 * @throws LibbpfError `NOT_CGROUP2`, `ENOENT`; `EINVAL` when the program was loaded for another type; `EPERM` also
 * when an ancestor has a program that allows none below; `E2BIG` for the 65th program of a group
 */
export const attachCgroup = (attachment: CgroupAttachment): Link => {
  const { action, attachType } = checkTarget(attachment, 'attaching a program to', 'attachment');
  const [, wanted, section] = ATTACH_TYPES[attachment.type];
  const program = attachment.program.handle(action);
  const { type } = attachment.program.info;
  if (type !== wanted) throw new TypeError(`attachment.program: ${attachment.type} takes programs of type ${wanted} (section "${section}"), got one of type ${type}`);
  const result = native().attachPath(program, attachment.cgroup, attachType);
  if (typeof result === 'number') {
    throw refusal(result, action, {
      syscall: 'bpf(BPF_LINK_CREATE)', path: attachment.cgroup,
      meanings: {
        EINVAL: `the kernel does not know ${attachment.type}, or the program was loaded for another type: its section must be "${section}"`,
        EPERM: 'needs root, or CAP_NET_ADMIN; or a group above has a program that allows none below',
        E2BIG: 'a cgroup holds 64 programs of a type at most',
      },
    });
  }
  return new Link(result, `the link to cgroup ${attachment.cgroup} (${attachment.type})`);
};

/** Lists what is attached to a cgroup, by links or otherwise. @throws LibbpfError `NOT_CGROUP2`, `ENOENT`, `EPERM` */
export const queryCgroup = (query: CgroupQuery): CgroupPrograms => {
  const { action, attachType } = checkTarget(query, 'listing the programs of', 'query');
  const effective = query.effective ?? false;
  const [flags, ...programIds] = unwrap(native().queryPath(query.cgroup, attachType, effective ? BPF_F_QUERY_EFFECTIVE : 0), action, { syscall: 'bpf(BPF_PROG_QUERY)', path: query.cgroup });
  if (effective || programIds.length === 0) return { programIds, mode: undefined };
  return { programIds, mode: (flags & BPF_F_ALLOW_MULTI) !== 0 ? 'multi' : (flags & BPF_F_ALLOW_OVERRIDE) !== 0 ? 'override' : 'none' };
};
