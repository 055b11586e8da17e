import { decodeBytes } from '@cilium-ts/bpf-maps';
import { silentLogger, type Logger } from '@cilium-ts/core';
import { backendOffsets, decodeSocket, socketKey, socketPeer, type DatapathConfig, type ObjectMapName, type SocketEntry } from '@cilium-ts/datapath-layout';
import { namespaceCookie } from '@cilium-ts/netlink';
import type { BpfMap, MappedArray, Program } from 'libbpf-napi';
import type { DatapathDependencies } from '../datapath.ts';
import { loadObject, type LoadOptions } from '../kernel/load.ts';
import { attachSockets, detachSockets, hasSockets } from './links.ts';
import { SOCKET_PROGRAMS, type SocketProgramName } from './programs.ts';
import { terminateSockets, type TerminationOptions, type TerminationReport } from './terminate.ts';

/** Where translation at the socket runs. */
export interface SocketLoadBalancerOptions extends LoadOptions {
  /**
   * A folder of a cgroup2 file system: sockets made by its processes, and by those of the groups below, are translated.
   * Mostly the root of the hierarchy.
   */
  readonly cgroup: string;
  /** `hostNetnsCookie` is the cookie of the calling thread's network namespace unless it is given. */
  readonly config?: DatapathConfig;
}

/** Translation at the socket, attached. Owns file descriptors; what it pinned and attached outlives it. */
export interface SocketLoadBalancer extends Disposable {
  readonly cgroup: string;
  /** The maps by pin name, for reading. */
  readonly maps: Readonly<Record<ObjectMapName<'bpf_sock'>, BpfMap>>;
  readonly programs: Readonly<Record<SocketProgramName, Program>>;
  /** What sockets were told to reach and what they reach instead. */
  sockets(): SocketEntry[];
  /**
   * Destroys the sockets that are connected to backends that have gone from cilium_backends since; see terminateSockets.
   * To be called after services were applied that ended backends.
   */
  terminate(options: TerminationOptions): Promise<TerminationReport>;
  /** Whether the cgroup has all programs: others may take them off. */
  isAttached(): boolean;
  /** Attaches what is not, in place of whatever is. */
  attach(): void;
  /** Takes the programs off the cgroup. Sockets that are connected go on; their peers are no longer translated back. Idempotent. */
  detach(): void;
  /** Closes file descriptors. Everything stays pinned, attached and in force. Idempotent. */
  close(): void;
}

/**
 * Loads the programs of sockets over the maps pinned under `bpfRoot`, and attaches them to a cgroup; the programs of a
 * previous run are replaced in place. Services are written by whoever writes these maps. Needs CAP_BPF, CAP_NET_ADMIN and
 * CAP_PERFMON (or CAP_SYS_ADMIN), and Linux 6.1 or newer.
 * @throws DatapathError `not-permitted`, `feature-missing`, `layout-mismatch`, `load-failed`, `attach-failed` (`cgroup` is
 * no cgroup2 folder, for instance)
 */
export async function openSocketLoadBalancer(dependencies: DatapathDependencies, options: SocketLoadBalancerOptions): Promise<SocketLoadBalancer> {
  const logger: Logger = dependencies.logger ?? silentLogger;
  // cookies count up from 1: no kernel ever reaches what a number cannot hold
  const config = { hostNetnsCookie: Number(namespaceCookie()), ...options.config };
  const { maps, programs, close } = await loadObject({ object: 'bpf_sock', programs: SOCKET_PROGRAMS }, { ...options, config }, logger);
  try {
    attachSockets(options.bpfRoot, options.cgroup, programs);
  } catch (error) {
    close();
    throw error;
  }
  // all of a mapping counts as this process's memory: who does not ask has none
  let backends: MappedArray | undefined;
  const loadBalancer: SocketLoadBalancer = {
    cgroup: options.cgroup,
    maps,
    programs,
    sockets: () => Array.from(maps.cilium_sockets.entries(), ([key, value]) => decodeSocket(decodeBytes(socketKey, key), decodeBytes(socketPeer, value))),
    terminate: (termination) => terminateSockets({ sockets: maps.cilium_sockets, isGone: (index, generation) => backendGeneration((backends ??= maps.cilium_backends.mmap()), index) !== generation }, termination),
    isAttached: () => hasSockets(options.bpfRoot, options.cgroup, programs),
    attach: () => attachSockets(options.bpfRoot, options.cgroup, programs),
    detach: () => void detachSockets(options.bpfRoot),
    close,
    [Symbol.dispose]: close,
  };
  return loadBalancer;
}

/** The generation of a backend as it is now; 0 where there is none. */
function backendGeneration(backends: MappedArray, index: number): number {
  const at = index * backends.stride + backendOffsets.generation;
  // the two words of the pair change at different times: only the half that is asked for counts
  const pair = backends.load64(at >>> 3);
  return Number(BigInt.asUintN(32, at & 4 ? pair >> 32n : pair));
}
