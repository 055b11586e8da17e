import { checkChoice, checkInteger } from './arguments.ts';
import { LibbpfError } from './error.ts';
import { probe } from './features.ts';
import { unwrap } from './handle.ts';
import { Link } from './link.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';
import { DIRECTIONS, type Direction } from './tc.ts';

export interface TcxAttachment {
  readonly ifindex: number;
  readonly direction: Direction;
  /** A program of type sched_cls: section "tc". */
  readonly program: Program;
  /** Before or after the programs that are there already. Default `last`. */
  readonly position?: 'first' | 'last';
}

/** What is attached to a device by tcx, in the order of running. */
export interface TcxChain {
  /** Changes with every change of the chain. */
  readonly revision: number;
  readonly programs: readonly { readonly programId: number; /** 0: attached without a link */ readonly linkId: number }[];
}

// linux/bpf.h since 6.6
const ATTACH_TYPE = { ingress: 46, egress: 47 } as const;
const BPF_F_BEFORE = 1 << 3;
const BPF_F_AFTER = 1 << 4;

const attachType = (direction: Direction): number => ATTACH_TYPE[checkChoice(direction, 'direction', DIRECTIONS)];

/**
 * Attaches a program to a device of the calling thread's network namespace by a tcx link (Linux 6.6). It takes about
 * 12 ms (the kernel waits for a grace period) and lasts until the link is closed or, if pinned, its pin removed.
 * @throws LibbpfError `NOT_SUPPORTED` on older kernels (use attachTc), `ENODEV` when there is no such device
 */
export const attachTcx = (attachment: TcxAttachment): Link => {
  const ifindex = checkInteger(attachment.ifindex, 'attachment.ifindex', 1, 0x7fff_ffff);
  const type = attachType(attachment.direction);
  const action = `attaching a program by tcx (${attachment.direction} of device ${ifindex})`;
  const flags = checkChoice(attachment.position ?? 'last', 'attachment.position', ['first', 'last']) === 'first' ? BPF_F_BEFORE : BPF_F_AFTER;
  const program = attachment.program.handle(action);
  const result = native().tcxAttach(program, ifindex, type, flags);
  if (typeof result === 'number') requireTcx(action);
  return new Link(unwrap(result, action, { syscall: 'bpf(BPF_LINK_CREATE)' }), `the tcx link (${attachment.direction} of device ${ifindex})`);
};

/** Lists what is attached to a device by tcx. @throws LibbpfError as attachTcx */
export const queryTcx = (target: { readonly ifindex: number; readonly direction: Direction }): TcxChain => {
  const ifindex = checkInteger(target.ifindex, 'target.ifindex', 1, 0x7fff_ffff);
  const action = `listing tcx programs (${target.direction} of device ${ifindex})`;
  const result = native().tcxQuery(ifindex, attachType(target.direction));
  if (typeof result === 'number') requireTcx(action);
  const [revision = 0, ...ids] = unwrap(result, action, { syscall: 'bpf(BPF_PROG_QUERY)' });
  const programs = Array.from({ length: ids.length / 2 }, (_, i) => ({ programId: ids[2 * i] ?? 0, linkId: ids[2 * i + 1] ?? 0 }));
  return { revision, programs };
};

/** Called after a failure: if tcx is missing altogether, that is the explanation. */
const requireTcx = (action: string): void => {
  const tcx = probe({ kind: 'tcx' });
  if (!tcx.supported) throw new LibbpfError('NOT_SUPPORTED', `${action}: ${tcx.reason}`, { syscall: 'bpf(BPF_LINK_CREATE)' });
};
