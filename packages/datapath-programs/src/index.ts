export { cleanupDatapath, type CleanupOptions, type CleanupReport } from './kernel/cleanup.ts';
export { openDatapath } from './kernel/open.ts';
export type {
  AddressDumpEntry,
  Datapath,
  DatapathDependencies,
  DatapathOptions,
  EndpointPrograms,
  EventBatch,
  ForeignFilter,
  MapSizes,
  MetricTotal,
  PolicyDumpEntry,
} from './datapath.ts';
export { DatapathError, type DatapathErrorCode } from './error.ts';
export {
  asSlot,
  type ApplyFailure,
  type ApplyFailureReason,
  type ApplyReport,
  type CompiledDirectionShape,
  type CompiledPolicyShape,
  type DesiredAddress,
  type DesiredEndpoint,
  type DesiredState,
  type PolicyRowShape,
  type RestoredEndpoint,
  type RestoredState,
  type RowVerdictShape,
  type Slot,
} from './state/desired.ts';
export { openSocketLoadBalancer, type SocketLoadBalancer, type SocketLoadBalancerOptions } from './sockets/open.ts';
export { detachSockets } from './sockets/links.ts';
export { SOCKET_HOOKS, SOCKET_PROGRAMS, type SocketProgramName } from './sockets/programs.ts';
export type { LoadOptions } from './kernel/load.ts';
export { openNodePrograms, type NodePrograms, type NodeProgramsOptions } from './netdev/open.ts';
export { detachNodePrograms, type AttachMode } from './netdev/attach.ts';
export { type NatDumpEntry, type NatEnd, type NatTries } from './netdev/dump.ts';
export { type GuardedService } from './netdev/refused.ts';
export { type NodeDevice } from './netdev/tables.ts';
export { terminateSockets, type TerminationDependencies, type TerminationOptions, type TerminationReport } from './sockets/terminate.ts';
export { openServices, type Services } from './services/open.ts';
export { createServiceWriter, type ServiceWriter, type ServiceWriterOptions } from './services/writer.ts';
export { kernelServiceStore, type ServiceMapName, type ServiceMaps } from './services/kernel-store.ts';
export type { ServiceStore, WordBlock } from './services/ports.ts';
export type { WordArray } from './ports.ts';
export { dumpServices, type BackendDumpEntry, type ServiceDumpEntry } from './services/dump.ts';
export type {
  BackendRecord,
  DesiredServices,
  EndedBackend,
  PoolRecord,
  RecordChanges,
  RestoredServices,
  ServiceApplyReport,
  ServiceFailure,
  ServiceFailureEffect,
  ServiceFailureReason,
  ServiceRecord,
  ServiceRecords,
} from './services/records.ts';
export { detachProgram as detachXdp, linkedDevices as xdpDevices, type XdpAttachMode, type XdpAttachResult } from './xdp/attach.ts';
export type { DeniedList } from './xdp/denied-list.ts';
export { openXdp, type Xdp } from './xdp/open.ts';
export {
  createPrefilter,
  type Prefilter,
  type PrefilterChange,
  type PrefilterOutcome,
  type PrefilterStore,
} from './xdp/prefilter.ts';
