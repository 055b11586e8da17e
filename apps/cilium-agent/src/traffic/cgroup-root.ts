import { readFileSync } from 'node:fs';
import { AgentError } from '../error.ts';

/** Mount point of the cgroup2 hierarchy in a text as of /proc/self/mounts; undefined: there is none. */
export const cgroupMount = (mounts: string): string | undefined =>
  mounts.split('\n').map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];

/** The cgroup whose sockets are translated: that of the settings, or the root of the hierarchy. Throws AgentError `kernel-feature`. */
export const cgroupRoot = (named: string | undefined): string => {
  const found = named ?? cgroupMount(readFileSync('/proc/self/mounts', 'utf8'));
  if (found === undefined) throw new AgentError('kernel-feature', 'translate at the socket: no cgroup2 hierarchy is mounted. Mount one (mount -t cgroup2 none /sys/fs/cgroup/unified), or name a cgroup by --cgroup-root.');
  return found;
};
