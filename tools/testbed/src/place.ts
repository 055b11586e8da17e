import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { createNamespace, deleteNamespace, openNetlink, openPacketSocket, writeSysctl } from '@cilium-ts/netlink';
import type { Netlink, PacketSocket } from '@cilium-ts/netlink';

import { startProbe } from './probe.ts';
import type { Probe } from './probe.ts';
import type { Bench } from './testbed.ts';

const run = promisify(execFile);

/** A network namespace with what one does in it: common to nodes, pods and the outside. */
export interface Place {
  readonly name: string;
  /** Path of the namespace, for `nsenter --net=`. */
  readonly netns: string;
  /** Route socket in it. */
  readonly netlink: Netlink;
  /** Runs a command in it and returns what it printed; rejects if it fails. */
  exec(command: string, ...args: string[]): Promise<string>;
  /** The one process that makes traffic in it; started on first use. */
  probe(): Promise<Probe>;
  /** Sees and sends raw frames on one of its devices. The caller closes it. */
  frames(device: string): Promise<PacketSocket>;
  /** Takes it away before the testbed's end, its devices with it: a pod that was deleted. Idempotent. */
  remove(): Promise<void>;
}

/** Makes a namespace at `path` with its loopback up. Its traffic is that of processes of `cgroup`, if one is given. */
export const makePlace = async (bench: Bench, name: string, { path, cgroup }: { readonly path: string; readonly cgroup?: string }): Promise<Place> => {
  const namespace = createNamespace(path);
  const netlink = openNetlink({ netns: namespace });
  const release = (): void => {
    netlink.close();
    namespace.close();
  };
  bench.onClose(release);
  await netlink.setLink('lo', { up: true });
  // Every refusal gets its answer: a rate limit would make it look like silence.
  writeSysctl('net.ipv4.icmp_ratelimit', 0, { netns: namespace });
  writeSysctl('net.ipv6.icmp.ratelimit', 0, { netns: namespace });
  let probe: Promise<Probe> | undefined;
  return {
    name,
    netns: path,
    netlink,
    exec: async (command, ...args) => (await run('nsenter', [`--net=${path}`, command, ...args], { maxBuffer: 64 << 20 })).stdout,
    probe: () => (probe ??= startProbe(bench, { netns: path, cgroup })),
    frames: async (device) => {
      const link = await netlink.getLink(device);
      if (!link) throw new Error(`open frames of ${name}: no device ${device}`);
      return openPacketSocket({ link: link.index, netns: namespace });
    },
    remove: async () => {
      await (await probe)?.close();
      release();
      deleteNamespace(path);
    },
  };
};
