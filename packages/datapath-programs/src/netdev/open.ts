import { randomInt } from 'node:crypto';
import { silentLogger, type Cidr, type Logger } from '@cilium-ts/core';
import type { ObjectMapName } from '@cilium-ts/datapath-layout';
import { membarrierGlobal, type BpfMap, type Program } from 'libbpf-napi';
import type { DatapathDependencies } from '../datapath.ts';
import { loadObject, type LoadOptions } from '../kernel/load.ts';
import { attachNodePrograms, detachNodePrograms, hasNodePrograms, linkedDevices, type AttachMode } from './attach.ts';
import { dumpNat, natTries, type NatDumpEntry, type NatTries } from './dump.ts';
import { forgetRefused, type GuardedService } from './refused.ts';
import { createNodeTables, type NodeDevice } from './tables.ts';

const PROGRAMS = ['cil_from_netdev', 'cil_to_netdev'] as const;

/** Where and how the programs of the node's devices run. */
export interface NodeProgramsOptions extends LoadOptions {
  /** How to attach. Default: by tcx where the kernel has it, else by clsact. */
  readonly attachMode?: AttachMode;
}

/** The programs of the node's devices. Owns file descriptors; what it pinned and attached outlives it. */
export interface NodePrograms extends Disposable {
  /** The maps by pin name, for reading. */
  readonly maps: Readonly<Record<ObjectMapName<'bpf_netdev'>, BpfMap>>;
  readonly programs: { readonly fromNetdev: Program; readonly toNetdev: Program };
  /**
   * Tells the programs the node's addresses by device, and which devices masquerade. Before attach(). Connections that
   * were given an address which is gone are forgotten.
   */
  setDevices(devices: readonly NodeDevice[]): Promise<void>;
  /** Destinations that see endpoints' own addresses: native routing, pods' prefixes, addresses of nodes, ip-masq exclusions. */
  setMasqueradeExclusions(cidrs: readonly Cidr[]): Promise<void>;
  /** Attaches both programs to a device of the caller's network namespace, replacing those of a previous run in place. */
  attach(ifindex: number): AttachMode;
  /** Whether a device runs both programs: others may take them off. */
  isAttached(ifindex: number): boolean;
  /** Takes both programs off; true if there were any. Connections that they translate end. */
  detach(ifindex: number): boolean;
  /** Devices that this or a previous run attached to by tcx, gone ones included. */
  linkedDevices(): number[];
  /** Translated connections, one entry per direction. */
  dumpNat(): NatDumpEntry[];
  /**
   * Forgets connections of clients that these services refuse now, which packets do not find out by themselves: to be
   * called after their source ranges have changed. Resolves to the number of entries removed.
   */
  forgetRefused(services: readonly GuardedService[]): Promise<number>;
  /** How hard it was to find ports. */
  tries(): NatTries;
  /** Closes file descriptors. Everything stays pinned, attached and in force. Idempotent. */
  close(): void;
}

/**
 * Loads the programs of the node's devices over the maps pinned under `bpfRoot`: masquerade, and services for clients
 * outside. Nothing is attached yet. The secret that ports of translated connections are derived from is new with each
 * call unless `config.natSeed` is given; connections that exist keep theirs. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON
 * (or CAP_SYS_ADMIN), and Linux 6.1 or newer.
 * @throws DatapathError `not-permitted`, `feature-missing`, `layout-mismatch`, `load-failed`, `map-failed`
 * @throws RangeError when the ports of `config` make no range
 */
export async function openNodePrograms(dependencies: DatapathDependencies, options: NodeProgramsOptions): Promise<NodePrograms> {
  const logger: Logger = dependencies.logger ?? silentLogger;
  checkPorts(options.config ?? {});
  const config = { natSeed: randomInt(2 ** 32), ...options.config };
  const loaded = await loadObject({ object: 'bpf_netdev', programs: PROGRAMS }, { ...options, config }, logger);
  const { maps } = loaded;
  const programs = { fromNetdev: loaded.programs.cil_from_netdev, toNetdev: loaded.programs.cil_to_netdev };
  const tables = createNodeTables({ devices: maps.cilium_node_devices, exclusions: maps.cilium_ipmasq, nat: maps.cilium_nat, gracePeriod: membarrierGlobal });
  const close = (): void => loaded.close();
  return {
    maps,
    programs,
    setDevices: (devices) => tables.setDevices(devices),
    setMasqueradeExclusions: (cidrs) => tables.setExclusions(cidrs),
    attach: (ifindex) => attachNodePrograms(options.bpfRoot, ifindex, programs, options.attachMode),
    isAttached: (ifindex) => hasNodePrograms(options.bpfRoot, ifindex, programs),
    detach: (ifindex) => detachNodePrograms(options.bpfRoot, ifindex),
    linkedDevices: () => linkedDevices(options.bpfRoot),
    dumpNat: () => dumpNat(maps.cilium_nat),
    forgetRefused: (services) => forgetRefused(maps.cilium_nat, services),
    tries: () => natTries(maps.cilium_nat_tries),
    close,
    [Symbol.dispose]: close,
  };
}

function checkPorts({ natPortMin = 61_000, natPortMax = 65_535, natPortWideMin = 32_768 }: NonNullable<LoadOptions['config']>): void {
  if (natPortMin < 1 || natPortMin > natPortMax) throw new RangeError(`config.natPortMin: ${natPortMin} to natPortMax, ${natPortMax}, is no range of ports`);
  if (natPortWideMin < 1 || natPortWideMin > natPortMin) throw new RangeError(`config.natPortWideMin: ${natPortWideMin} is not from 1 to natPortMin, ${natPortMin}`);
}
