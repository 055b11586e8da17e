import { readFileSync, writeFileSync } from 'node:fs';

import { systemError } from '../error.ts';
import { openNamespace } from './namespace.ts';
import type { Namespace } from './namespace.ts';

/** Where a sysctl is read or written. */
export interface SysctlOptions {
  /** The namespace, open or by name or path; the calling thread's own if absent. */
  readonly netns?: Namespace | string | undefined;
}

/**
 * Reads a sysctl under `net`, without the final newline; undefined if the kernel (or the device) does not have it.
 * Names are written as in sysctl(8): `net.ipv4.ip_forward`, or with slashes where a device's name has a dot:
 * `net/ipv4/conf/eth0.1/forwarding`.
 */
export const readSysctl = (name: string, options: SysctlOptions = {}): string | undefined => {
  const path = sysctlPath(name);
  try {
    return within(options.netns, () => readFileSync(path, 'utf8')).replace(/\n$/, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw systemError(error, { operation: `read sysctl ${name}`, path });
  }
};

/** Writes a sysctl under `net`. Throws NetlinkError `not-found` if the kernel does not have it. */
export const writeSysctl = (name: string, value: string | number, options: SysctlOptions = {}): void => {
  const path = sysctlPath(name);
  try {
    // No O_CREAT: in /proc it fails with EACCES and hides that the name is wrong.
    within(options.netns, () => writeFileSync(path, `${value}\n`, { flag: 'r+' }));
  } catch (error) {
    throw systemError(error, { operation: `write sysctl ${name}`, path });
  }
};

// /proc/sys/net shows the namespace of the thread that opens the file (unlike /proc/net, which is the process's main
// thread's), and synchronous fs calls run on the calling thread: entering and reading is enough.
const within = <T>(netns: Namespace | string | undefined, run: () => T): T => {
  if (netns === undefined) return run();
  if (typeof netns !== 'string') return netns.run(run);
  using opened = openNamespace(netns);
  return opened.run(run);
};

const sysctlPath = (name: string): string => {
  const slash = name.indexOf('/');
  const dot = name.indexOf('.');
  const parts = slash >= 0 && (dot < 0 || slash < dot) ? name.split('/') : name.split('.');
  if (parts[0] !== 'net' || parts.length < 3 || parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0') || part.includes('/'))) {
    throw new TypeError(`name: ${JSON.stringify(name)} is no sysctl under net, such as net.ipv4.ip_forward`);
  }
  return `/proc/sys/${parts.join('/')}`;
};
