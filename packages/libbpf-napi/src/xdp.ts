import { checkChoice, checkInteger } from './arguments.ts';
import { unwrap } from './handle.ts';
import { Link } from './link.ts';
import { native } from './native.ts';
import type { Program } from './program.ts';
import { refusal } from './refusal.ts';

/** `native`: by the device's driver, before the kernel makes a packet of it; `generic`: after that, on any device. */
export type XdpMode = 'native' | 'generic';
const MODES: readonly XdpMode[] = ['native', 'generic'];

// linux/if_link.h, XDP_FLAGS_DRV_MODE and XDP_FLAGS_SKB_MODE
const FLAGS: Readonly<Record<XdpMode, number>> = { native: 1 << 2, generic: 1 << 1 };

export interface XdpAttachment {
  readonly ifindex: number;
  /** A program of type xdp: section "xdp". */
  readonly program: Program;
  /** There is no fall-back: where `native` is refused with `EOPNOTSUPP`, call again with `generic`. */
  readonly mode: XdpMode;
}

/** What is attached to a device, by links or otherwise. */
export interface XdpPrograms {
  /** Program ids; `undefined` where there is none. */
  readonly native: number | undefined;
  readonly generic: number | undefined;
  /** In the device itself. */
  readonly offloaded: number | undefined;
}

const checkDevice = (ifindex: number, name: string): number => checkInteger(ifindex, name, 1, 0x7fff_ffff);

/**
 * Attaches a program to a device of the calling thread's network namespace by an XDP link (Linux 5.9). It lasts until
 * the link is closed or, if pinned, its pin removed, or until the device goes. A device takes one program, in one mode:
 * to replace it use Link.update(), which is atomic.
 * @throws LibbpfError `EOPNOTSUPP` when the driver has no native XDP, `EBUSY` or `EEXIST` when there is a program
 * already, `ENODEV` or `EINVAL` when there is no such device, `ERANGE` … as the driver refuses (MTU, features)
 */
export const attachXdp = (attachment: XdpAttachment): Link => {
  const ifindex = checkDevice(attachment.ifindex, 'attachment.ifindex');
  const mode = checkChoice(attachment.mode, 'attachment.mode', MODES);
  const where = `device ${ifindex} (${mode})`;
  const action = `attaching an XDP program to ${where}`;
  const program = attachment.program.handle(action);
  const { type } = attachment.program.info;
  if (type !== 'xdp') throw new TypeError(`attachment.program: expected a program of type xdp, got one of type ${type}`);
  const result = native().xdpAttach(program, ifindex, FLAGS[mode]);
  if (typeof result === 'number') {
    const taken = 'the device has an XDP program already, see queryXdp(): a device takes one program, in one mode';
    throw refusal(result, action, {
      syscall: 'bpf(BPF_LINK_CREATE)',
      meanings: {
        EBUSY: taken, EEXIST: taken, EINVAL: 'there is no such device, or its settings do not go with XDP',
        EOPNOTSUPP: `the driver of the device has no native XDP${mode === 'native' ? ', or its settings do not go with it: the mode generic works on any' : ''}`,
      },
    });
  }
  return new Link(result, `the XDP link to ${where}`);
};

/** What is attached to a device of the calling thread's network namespace. @throws LibbpfError `ENODEV` */
export const queryXdp = (query: { readonly ifindex: number }): XdpPrograms => {
  const ifindex = checkDevice(query.ifindex, 'query.ifindex');
  const [driver, generic, offloaded] = unwrap(native().xdpQuery(ifindex), `looking at the XDP programs of device ${ifindex}`, { syscall: 'RTM_GETLINK' });
  return { native: driver || undefined, generic: generic || undefined, offloaded: offloaded || undefined };
};
