import { checkChoice, checkString } from './arguments.ts';
import { unwrap } from './handle.ts';
import { Link } from './link.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';
import type { ProgramType } from './program-type.ts';
import { refusal } from './refusal.ts';

// linux/bpf.h, enum bpf_attach_type
const ATTACH_TYPES = { sk_lookup: [36, 'sk_lookup'], flow_dissector: [17, 'flow_dissector'] } as const satisfies Record<string, readonly [type: number, program: ProgramType]>;

/**
 * `sk_lookup` (Linux 5.9): decides which socket gets a connection or datagram that none is bound to otherwise: a listener can
 * serve any address and port. `flow_dissector`: takes packets apart in place of the kernel.
 */
export type NetnsAttachType = keyof typeof ATTACH_TYPES;
const CHOICES = Object.keys(ATTACH_TYPES) as NetnsAttachType[];

export interface NetnsAttachment {
  readonly type: NetnsAttachType;
  /** Of the type's name: section "sk_lookup". */
  readonly program: Program;
  /** Path of a network namespace (/run/netns/…, /proc/PID/ns/net). Default: the calling thread's own. */
  readonly netns?: string;
}

const OWN = '/proc/thread-self/ns/net';

/**
 * Attaches a program to a network namespace by a link (Linux 5.8). It lasts until the link is closed or, if pinned, its
 * pin removed, or until the namespace goes. A sk_lookup program finds the sockets it assigns (bpf_sk_assign) in a
 * sockmap or sockhash, into which they are put by their descriptors: `map.update(key, <descriptor in 8 bytes>)`.
 * @throws LibbpfError `ENOENT` without such a namespace, `EINVAL` when the file is none, `E2BIG` when it holds 64 programs
 * of the type already (one flow_dissector: `E2BIG` too)
 */
export const attachNetns = (attachment: NetnsAttachment): Link => {
  const [attachType, wanted] = ATTACH_TYPES[checkChoice(attachment.type, 'attachment.type', CHOICES)];
  const path = checkString(attachment.netns ?? OWN, 'attachment.netns');
  const where = `network namespace ${path} (${attachment.type})`;
  const action = `attaching a program to ${where}`;
  const program = attachment.program.handle(action);
  const { type } = attachment.program.info;
  if (type !== wanted) throw new TypeError(`attachment.program: ${attachment.type} takes programs of type ${wanted} (section "${wanted}"), got one of type ${type}`);
  const result = native().attachPath(program, path, attachType);
  if (typeof result === 'number') {
    throw refusal(result, action, {
      syscall: 'bpf(BPF_LINK_CREATE)', path,
      meanings: {
        EINVAL: 'not a network namespace', ENOENT: 'there is no such network namespace',
        E2BIG: attachment.type === 'flow_dissector' ? 'a namespace holds one flow dissector at most' : 'a namespace holds 64 programs of a type at most',
      },
    });
  }
  return new Link(result, `the link to ${where}`);
};

/** The ids of the programs attached to a network namespace, in the order of running. @throws LibbpfError as attachNetns */
export const queryNetns = (query: { readonly type: NetnsAttachType; readonly netns?: string }): readonly number[] => {
  const [attachType] = ATTACH_TYPES[checkChoice(query.type, 'query.type', CHOICES)];
  const path = checkString(query.netns ?? OWN, 'query.netns');
  const action = `listing the programs of network namespace ${path} (${query.type})`;
  return unwrap(native().queryPath(path, attachType, 0), action, { syscall: 'bpf(BPF_PROG_QUERY)', path }).slice(1);
};
