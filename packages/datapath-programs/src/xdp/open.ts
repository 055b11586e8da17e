import { randomInt } from 'node:crypto';
import { silentLogger, type Logger } from '@cilium-ts/core';
import type { ObjectMapName } from '@cilium-ts/datapath-layout';
import { membarrierGlobal, type BpfMap, type Program, type XdpMode } from 'libbpf-napi';
import type { DatapathDependencies } from '../datapath.ts';
import { loadObject, type LoadOptions } from '../kernel/load.ts';
import { u32Bytes } from '../write/encode.ts';
import { attachedDevices, attachProgram, detachProgram, linkedDevices, type XdpAttachMode, type XdpAttachResult } from './attach.ts';
import { createPrefilter, type Prefilter, type PrefilterStore } from './prefilter.ts';

/** The program before the stack, and the prefilter. Owns file descriptors; what it pinned and attached outlives it. */
export interface Xdp extends AsyncDisposable {
  /** The maps by pin name, for reading. */
  readonly maps: Readonly<Record<ObjectMapName<'bpf_xdp'>, BpfMap>>;
  readonly programs: { readonly entry: Program };
  readonly prefilter: Prefilter;
  /**
   * Attaches the program to a device of the caller's network namespace, replacing that of a previous run in place.
   * Packets for services leave by devices it is attached to, and only where the kernel forwards (net.ipv4.conf.DEVICE.forwarding,
   * net.ipv6.conf.all.forwarding); everything else it passes on.
   * @throws DatapathError `attach-failed`
   */
  attach(ifindex: number, mode: XdpAttachMode): XdpAttachResult;
  /** Takes the program off; true if it was there. The stack's programs go on with its connections. */
  detach(ifindex: number): boolean;
  /** The devices of the caller's network namespace that run the program. */
  attached(): { readonly ifindex: number; readonly mode: XdpMode }[];
  /** Devices that this or a previous run attached to, gone ones included. */
  linkedDevices(): number[];
  /** Closes file descriptors. Everything stays pinned, attached and in force. Idempotent. */
  close(): Promise<void>;
}

/**
 * Loads the program before the stack over the maps pinned under `bpfRoot`, with the prefilter as it was. Nothing is
 * attached yet. Services, the node's devices and addresses are written by others into the same maps: give it the
 * configuration that bpf_netdev has, `natSeed` included. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or
 * CAP_SYS_ADMIN), and Linux 6.1 or newer.
 * @throws DatapathError `not-permitted`, `feature-missing`, `layout-mismatch`, `load-failed`, `map-failed`
 */
export async function openXdp(dependencies: DatapathDependencies, options: LoadOptions): Promise<Xdp> {
  const logger: Logger = dependencies.logger ?? silentLogger;
  const config = { natSeed: randomInt(2 ** 32), ...options.config };
  const loaded = await loadObject({ object: 'bpf_xdp', programs: ['cil_xdp_entry'] }, { ...options, config }, logger);
  const { bpfRoot } = options;
  const entry = loaded.programs.cil_xdp_entry;
  const devices = loaded.maps.cilium_xdp_devices;
  let prefilter: Prefilter;
  try {
    prefilter = await createPrefilter({ store: prefilterStore(loaded.maps), logger });
  } catch (error) {
    loaded.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const xdp: Xdp = {
    maps: loaded.maps,
    programs: { entry },
    prefilter,
    attach(ifindex, mode) {
      const result = attachProgram(bpfRoot, ifindex, entry, mode);
      if (result.fallback !== undefined) logger.warn({ ifindex, reason: result.fallback }, 'no native XDP on the device: generic XDP, which is slower');
      admit(devices, bpfRoot);
      return result;
    },
    detach(ifindex) {
      devices.delete(u32Bytes(ifindex));
      const attached = detachProgram(bpfRoot, ifindex);
      admit(devices, bpfRoot);
      return attached;
    },
    attached: () => attachedDevices(bpfRoot),
    linkedDevices: () => linkedDevices(bpfRoot),
    close: () => (closing ??= prefilter.close().finally(() => loaded.close())),
    [Symbol.asyncDispose]: () => xdp.close(),
  };
  return xdp;
}

/**
 * Lets packets leave by the devices that take them: native programs hand them to the driver, which must have native XDP
 * itself; generic ones to any device.
 */
function admit(devices: BpfMap, bpfRoot: string): void {
  const attached = attachedDevices(bpfRoot);
  const native = attached.filter(({ mode }) => mode === 'native');
  const admitted = new Set((native.length > 0 ? native : attached).map(({ ifindex }) => ifindex));
  for (const { ifindex } of attached) {
    if (admitted.has(ifindex)) devices.update(u32Bytes(ifindex), u32Bytes(ifindex));
    else devices.delete(u32Bytes(ifindex));
  }
}

function prefilterStore(maps: Xdp['maps']): PrefilterStore {
  const words = maps.cilium_prefilter.mmap();
  return {
    state: { length: words.u64.length, load: (index) => words.load64(index), store: (index, value) => words.store64(index, value) },
    lists: {
      addresses4: maps.cilium_denied_addresses4,
      prefixes4: maps.cilium_denied_prefixes4,
      addresses6: maps.cilium_denied_addresses6,
      prefixes6: maps.cilium_denied_prefixes6,
    },
    gracePeriod: membarrierGlobal,
  };
}
