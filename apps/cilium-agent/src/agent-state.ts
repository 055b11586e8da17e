import type { Datapath } from '@cilium-ts/datapath-programs';
import type { Identity, IdentityAllocator, IpCache, LabelFilter, ReservedIdentities } from '@cilium-ts/identity';
import type { PolicyOptions } from '@cilium-ts/policy-model';
import type { PolicyWriter } from './compile/policy-writer.ts';
import type { Config } from './config/load-config.ts';
import type { EndpointManager } from './endpoint/endpoint-manager.ts';
import type { EndpointTable } from './endpoint/endpoint-table.ts';
import type { EndpointResources } from './endpoint/resources.ts';
import type { AgentMetrics } from './metrics/agent-metrics.ts';
import type { MonitorHub } from './monitor/monitor-hub.ts';
import type { Runtime } from './config/runtime.ts';
import type { NodeAddresses } from './node/node-addresses.ts';
import type { PolicySet } from './policy/policy-set.ts';
import type { Repairs } from './reconcile/repairs.ts';
import type { ServiceSlot } from './service/service-slot.ts';
import type { Traffic } from './traffic/traffic.ts';

/** Everything that the API shows or changes: the tables, and who writes them. */
export interface AgentState {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly startTime: Date;
  readonly version: string;
  readonly endpoints: EndpointTable;
  readonly resources: EndpointResources;
  readonly manager: EndpointManager;
  readonly policies: PolicySet;
  readonly identities: IdentityAllocator;
  readonly reserved: ReservedIdentities;
  readonly ipcache: IpCache;
  readonly filter: LabelFilter;
  readonly writer: PolicyWriter;
  readonly datapath: Datapath;
  readonly nodeAddresses: NodeAddresses;
  readonly services: ServiceSlot;
  readonly traffic: Traffic;
  readonly hub: MonitorHub;
  readonly repairs: Repairs;
  /** Loaded when first asked for. */
  readonly metrics: () => Promise<AgentMetrics>;
  /** Router addresses as text. */
  readonly routers: { readonly ipv4: string | undefined; readonly ipv6: string | undefined };
  /** Has everything been restored and put in force? */
  readonly ready: () => boolean;
  /** Things an operator should know, found at start. */
  readonly warnings: readonly string[];
  readonly policyOptions: () => PolicyOptions;
  /** Throws AgentError `not-found`. */
  readonly identityOf: (id: number) => Identity;
  readonly allIdentities: () => Identity[];
  /** Notes an API call in the metrics, if they are loaded. */
  readonly observeApi: AgentMetrics['observeApi'];
  readonly announce: (kind: string, message: string, endpointId?: number) => void;
}
