import { silentLogger, type Logger } from '@cilium-ts/core';
import type { ObjectMapName } from '@cilium-ts/datapath-layout';
import { membarrierGlobal, type BpfMap, type MappedArray } from 'libbpf-napi';
import type { Datapath, DatapathDependencies, DatapathOptions } from '../datapath.ts';
import { DatapathError } from '../error.ts';
import type { DatapathStore, WordArray } from '../ports.ts';
import { dumpAddresses, dumpFlows, dumpMetrics, dumpPolicy } from '../read/dump.ts';
import { readEvents } from '../read/events.ts';
import { openServices, type Services } from '../services/open.ts';
import { createWriter } from '../write/writer.ts';
import { attachPrograms, detachPrograms } from './attach.ts';
import { loadObject } from './load.ts';

/**
 * Loads the datapath: creates the maps or takes over those that are pinned, has the programs verified with the given
 * configuration and pins them. Nothing is attached and no packet treated yet. What a previous run left in force stays
 * in force. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or CAP_SYS_ADMIN), and Linux 6.1 or newer.
 * @throws DatapathError `not-permitted`, `feature-missing`, `layout-mismatch`, `load-failed` (with the verifier's log as cause), …
 */
export async function openDatapath(dependencies: DatapathDependencies, options: DatapathOptions): Promise<Datapath> {
  const logger = dependencies.logger ?? silentLogger;
  const loaded = await loadDatapath(options, logger);
  const world = { ipv4: options.config?.worldIpv4 ?? 9, ipv6: options.config?.worldIpv6 ?? 10 };
  try {
    const store = kernelStore(loaded.maps);
    const writer = await createWriter({ store, logger }, { world });
    return datapathOf(loaded, { store, writer, logger });
  } catch (error) {
    loaded.close();
    throw error;
  }
}

interface LoadedDatapath {
  readonly maps: Datapath['maps'];
  readonly programs: Datapath['programs'];
  close(): void;
}

function notLoaded(): never {
  throw new DatapathError('not-loaded', 'attach to an endpoint: the datapath was opened without the programs of endpoints; open it with `endpoints: true`');
}

const NOT_LOADED: Datapath['programs'] = {
  get fromContainer() {
    return notLoaded();
  },
  get toContainer() {
    return notLoaded();
  },
};

async function loadDatapath(options: DatapathOptions, logger: Logger): Promise<LoadedDatapath> {
  if (options.endpoints === false) {
    const { maps, close } = await loadObject({ object: 'bpf_lxc', programs: [] }, options, logger);
    return { maps, programs: NOT_LOADED, close };
  }
  const { maps, programs, close } = await loadObject({ object: 'bpf_lxc', programs: ['cil_from_container', 'cil_to_container'] }, options, logger);
  return { maps, programs: { fromContainer: programs.cil_from_container, toContainer: programs.cil_to_container }, close };
}

interface Parts {
  readonly store: DatapathStore;
  readonly writer: Awaited<ReturnType<typeof createWriter>>;
  readonly logger: Logger;
}

function datapathOf(loaded: LoadedDatapath, { store, writer, logger }: Parts): Datapath {
  let closing: Promise<void> | undefined;
  let services: Promise<Services> | undefined;
  const close = async (): Promise<void> => {
    await services?.then((opened) => opened.close(), () => undefined);
    await writer.close();
    loaded.close();
  };
  const datapath: Datapath = {
    maps: loaded.maps,
    programs: loaded.programs,
    restored: writer.restored,
    apply: (desired) => writer.apply(desired),
    settled: () => writer.settled(),
    attach: (_slot, ifindex) => attachPrograms(ifindex, { fromContainer: loaded.programs.fromContainer, toContainer: loaded.programs.toContainer }),
    detach: (ifindex) => void detachPrograms(ifindex),
    events: (eventOptions = {}) => readEvents(loaded.maps.cilium_events, eventOptions),
    metrics: () => dumpMetrics(loaded.maps.cilium_metrics),
    dumpFlows: () => dumpFlows(loaded.maps.cilium_flows),
    dumpPolicy: (slot) => dumpPolicy(store, slot),
    dumpAddresses: () => dumpAddresses(store),
    services: () => (services ??= openServices({ logger }, loaded.maps)),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => datapath.close(),
  };
  return datapath;
}

/** The kernel's maps as the writer's ports. */
export function kernelStore(maps: Readonly<Record<ObjectMapName<'bpf_lxc'>, BpfMap>>): DatapathStore {
  return {
    node: words(maps.cilium_node.mmap()),
    cells: words(maps.cilium_cells.mmap()),
    remotes: words(maps.cilium_remotes.mmap()),
    rows: words(maps.cilium_rows.mmap()),
    devices: maps.cilium_devices,
    devicesSparse: maps.cilium_devices_sparse,
    endpoints: maps.cilium_endpoints,
    addresses: maps.cilium_addresses,
    prefixes: maps.cilium_prefixes,
    policy: maps.cilium_policy,
    gracePeriod: membarrierGlobal,
  };
}

function words(mapped: MappedArray): WordArray {
  return {
    length: mapped.u64.length,
    load: (index) => mapped.load64(index),
    store: (index, value) => mapped.store64(index, value),
  };
}
