import type { Logger } from '@cilium-ts/core';
import type { DatapathConfig, DatapathEvent, DecodedVerdict, DirectionName, FlowEntry, MapName, ObjectMapName } from '@cilium-ts/datapath-layout';
import type { BpfMap, Program } from 'libbpf-napi';
import type { Services } from './services/open.ts';
import type { ApplyReport, DesiredState, RestoredState, Slot } from './state/desired.ts';

/** What openDatapath needs from its surroundings. */
export interface DatapathDependencies {
  readonly logger?: Logger;
}

/** Maps whose size is chosen at start: entries, or bytes for `cilium_events`. */
export type MapSizes = { readonly [Name in Extract<MapName, 'cilium_addresses' | 'cilium_prefixes' | 'cilium_remotes' | 'cilium_policy' | 'cilium_rows' | 'cilium_flows' | 'cilium_fragments' | 'cilium_events' | 'cilium_endpoints'
  | 'cilium_frontends' | 'cilium_services' | 'cilium_backends' | 'cilium_pool_members' | 'cilium_service_runs' | 'cilium_source_ranges' | 'cilium_affinities' | 'cilium_sockets'
  | 'cilium_nat' | 'cilium_ipmasq'
  | 'cilium_denied_addresses4' | 'cilium_denied_prefixes4' | 'cilium_denied_addresses6' | 'cilium_denied_prefixes6'>]?: number };

/** Where and how the datapath runs. */
export interface DatapathOptions {
  /** A folder on a bpffs, this agent's own; created if it does not exist. Maps lie in it, programs in `programs/`. */
  readonly bpfRoot: string;
  readonly config?: DatapathConfig;
  /** False: there are no endpoints here; only the maps are made, which other objects share, and nothing is verified. Default true. */
  readonly endpoints?: boolean;
  /** Sizes other than the objects' own. A pinned map of another size is an error, since re-creating it would lose it. */
  readonly sizes?: MapSizes;
}

/** Events of one moment, decoded. */
export interface EventBatch {
  readonly events: readonly DatapathEvent[];
  /** Events that were not delivered since the batch before: the ring or this process's queue was full. */
  readonly lost: number;
}

/** Packets and bytes counted for one reason and direction. */
export interface MetricTotal {
  readonly reason: number;
  readonly reasonText: string;
  readonly direction: DirectionName;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One entry of an endpoint's policy as it is in the kernel. */
export interface PolicyDumpEntry {
  readonly direction: 'ingress' | 'egress';
  /** undefined: any identity without an entry of its own. */
  readonly identity: number | undefined;
  /** What lies in the same run of ports has the same verdict. */
  readonly runs: readonly { readonly protocol: number; readonly fromPort: number; readonly toProtocol: number; readonly toPort: number; readonly verdict: DecodedVerdict }[];
}

/** An address or prefix as it is in the kernel. */
export interface AddressDumpEntry {
  readonly cidr: string;
  readonly identity: number;
  readonly host: boolean;
  /** The slot of a local endpoint's address. */
  readonly slot: Slot | undefined;
}

/** A filter of somebody else on a device of the datapath's. */
export interface ForeignFilter {
  readonly direction: 'ingress' | 'egress';
  readonly handle: number;
  readonly priority: number;
  readonly programId: number;
}

/** The programs of endpoints' devices. Reading one throws DatapathError `not-loaded` where the datapath was opened without. */
export interface EndpointPrograms {
  readonly fromContainer: Program;
  readonly toContainer: Program;
}

/** The datapath in the kernel: loaded programs, pinned maps. Owns file descriptors; what it pinned and attached outlives it. */
export interface Datapath extends AsyncDisposable {
  /** The maps by pin name, for reading. Writing is apply()'s alone. */
  readonly maps: Readonly<Record<ObjectMapName<'bpf_lxc'>, BpfMap>>;
  readonly programs: EndpointPrograms;
  /** What was in force when the datapath was opened. */
  readonly restored: RestoredState;
  /** Brings the kernel to the desired state; see DesiredState. Calls are served one after the other. Rejects only when the kernel refuses what should work. */
  apply(desired: DesiredState): Promise<ApplyReport>;
  /** Resolves when nothing of previous states is in use any more, and it has been deleted. */
  settled(): Promise<void>;
  /**
   * Attaches both programs to the host end of an endpoint's veth pair, first the one towards the pod, replacing
   * earlier ones atomically. Filters of others stay; they are returned.
   */
  attach(slot: Slot, ifindex: number): ForeignFilter[];
  /** Takes both programs off a device. No error when the device or the filters are gone. */
  detach(ifindex: number): void;
  /** Drops, verdicts and traces from now on. One consumer at a time: the kernel's ring has a single reader. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<EventBatch>;
  metrics(): MetricTotal[];
  dumpFlows(): FlowEntry[];
  dumpPolicy(slot: Slot): PolicyDumpEntry[];
  dumpAddresses(): AddressDumpEntry[];
  /** The writer of services over these maps, opened by the first call and closed with the datapath. */
  services(): Promise<Services>;
  /** Closes file descriptors. Everything stays pinned, attached and in force. Idempotent. */
  close(): Promise<void>;
}
