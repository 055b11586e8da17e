import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A sample taken when somebody asks. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Where samples come from, by metric. */
export interface MetricSources {
  /** Per reason and direction; reason 0 is forwarded. */
  packets(): readonly { readonly reason: number; readonly reasonText: string; readonly direction: string; readonly packets: bigint; readonly bytes: bigint }[];
  endpointStates(): ReadonlyMap<string, number>;
  enforcement(): ReadonlyMap<string, number>;
  policies(): number;
  policyRevision(): number;
  policyChanges(): { readonly success: number; readonly failure: number };
  identities(): ReadonlyMap<string, number>;
  mapPressure(): readonly { readonly map: string; readonly pressure: number }[];
  lostEvents(): number;
  /** Services that came, changed and went. */
  serviceEvents(): { readonly add: number; readonly update: number; readonly delete: number };
  addresses(): ReadonlyMap<string, number>;
  controller(): { readonly runs: number; readonly failures: number; readonly failing: boolean };
}

/** The agent's metrics. */
export interface AgentMetrics {
  readonly registry: Registry;
  /** Seconds that a commit took, by outcome. */
  observeRegeneration(outcome: 'success' | 'fail', seconds: number): void;
  observeApi(call: { readonly path: string; readonly method: string; readonly code: number; readonly seconds: number }): void;
  observeBootstrap(scope: string, seconds: number): void;
}

const DROP_FROM = 130;

/** Registers a gauge whose samples are taken at each scrape. */
const gauge = (registry: Registry, spec: { readonly name: string; readonly help: string; readonly labels?: readonly string[]; readonly samples: () => readonly Sample[] }): void => {
  new Gauge({
    name: spec.name,
    help: spec.help,
    labelNames: [...(spec.labels ?? [])],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of spec.samples()) this.set({ ...labels }, value);
    },
  });
};

/** Registers a counter that shows totals counted elsewhere. */
const total = (registry: Registry, spec: { readonly name: string; readonly help: string; readonly labels?: readonly string[]; readonly samples: () => readonly Sample[] }): void => {
  new Counter({
    name: spec.name,
    help: spec.help,
    labelNames: [...(spec.labels ?? [])],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of spec.samples()) this.inc({ ...labels }, value);
    },
  });
};

const fromMap = (map: ReadonlyMap<string, number>, label: string): Sample[] => [...map].map(([key, value]) => ({ labels: { [label]: key }, value }));

const registerPackets = (registry: Registry, sources: MetricSources): void => {
  const drops = (pick: (row: ReturnType<MetricSources['packets']>[number]) => bigint): Sample[] =>
    sources.packets().filter(({ reason }) => reason >= DROP_FROM).map((row) => ({ labels: { reason: row.reasonText, direction: row.direction.toUpperCase() }, value: Number(pick(row)) }));
  const forwards = (pick: (row: ReturnType<MetricSources['packets']>[number]) => bigint): Sample[] =>
    sources.packets().filter(({ reason }) => reason === 0).map((row) => ({ labels: { direction: row.direction.toUpperCase() }, value: Number(pick(row)) }));
  const labels = ['reason', 'direction'];
  total(registry, { name: 'cilium_drop_count_total', help: 'Packets dropped, by reason and direction', labels, samples: () => drops(({ packets }) => packets) });
  total(registry, { name: 'cilium_drop_bytes_total', help: 'Bytes dropped, by reason and direction', labels, samples: () => drops(({ bytes }) => bytes) });
  total(registry, { name: 'cilium_forward_count_total', help: 'Packets forwarded, by direction', labels: ['direction'], samples: () => forwards(({ packets }) => packets) });
  total(registry, { name: 'cilium_forward_bytes_total', help: 'Bytes forwarded, by direction', labels: ['direction'], samples: () => forwards(({ bytes }) => bytes) });
  total(registry, { name: 'cilium_monitor_lost_events_total', help: 'Events that the kernel could not hand over', samples: () => [{ labels: {}, value: sources.lostEvents() }] });
};

const registerState = (registry: Registry, sources: MetricSources): void => {
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  gauge(registry, { name: 'cilium_endpoint', help: 'Endpoints managed by this agent', samples: () => one([...sources.endpointStates().values()].reduce((sum, count) => sum + count, 0)) });
  gauge(registry, { name: 'cilium_endpoint_state', help: 'Endpoints by state', labels: ['endpoint_state'], samples: () => fromMap(sources.endpointStates(), 'endpoint_state') });
  gauge(registry, { name: 'cilium_policy_endpoint_enforcement_status', help: 'Endpoints by directions enforced', labels: ['enforcement'], samples: () => fromMap(sources.enforcement(), 'enforcement') });
  gauge(registry, { name: 'cilium_policy', help: 'Policies in force', samples: () => one(sources.policies()) });
  gauge(registry, { name: 'cilium_policy_max_revision', help: 'Highest policy revision', samples: () => one(sources.policyRevision()) });
  total(registry, { name: 'cilium_policy_change_total', help: 'Policy changes, by outcome', labels: ['outcome'], samples: () => Object.entries(sources.policyChanges()).map(([key, value]) => ({ labels: { outcome: key === 'failure' ? 'fail' : key }, value })) });
  total(registry, { name: 'cilium_services_events_total', help: 'Services that were added, updated and deleted', labels: ['action'], samples: () => Object.entries(sources.serviceEvents()).map(([action, value]) => ({ labels: { action }, value })) });
  gauge(registry, { name: 'cilium_identity', help: 'Identities in use, by type', labels: ['type'], samples: () => fromMap(sources.identities(), 'type') });
  gauge(registry, { name: 'cilium_ip_addresses', help: 'Endpoint addresses in use, by family', labels: ['family'], samples: () => fromMap(sources.addresses(), 'family') });
  gauge(registry, { name: 'cilium_bpf_map_pressure', help: 'Fill of maps, from 0 to 1', labels: ['map_name'], samples: () => sources.mapPressure().map(({ map, pressure }) => ({ labels: { map_name: map }, value: pressure })) });
  gauge(registry, { name: 'cilium_controllers_failing', help: 'Recurring jobs that fail', samples: () => one(Number(sources.controller().failing)) });
  total(registry, {
    name: 'cilium_controllers_runs_total', help: 'Runs of recurring jobs, by status', labels: ['status'],
    samples: () => {
      const { runs, failures } = sources.controller();
      return [{ labels: { status: 'success' }, value: runs - failures }, { labels: { status: 'failure' }, value: failures }];
    },
  });
};

/** Metrics over the sources; names are Cilium's. */
export const createAgentMetrics = (sources: MetricSources): AgentMetrics => {
  const registry = new Registry();
  registerPackets(registry, sources);
  registerState(registry, sources);
  const regenerations = new Counter({ name: 'cilium_endpoint_regenerations_total', help: 'Times the datapath was brought up to date, by outcome', labelNames: ['outcome'], registers: [registry] });
  const regenerationTime = new Histogram({ name: 'cilium_endpoint_regeneration_time_stats_seconds', help: 'How long that took', labelNames: ['scope'], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1], registers: [registry] });
  const api = new Histogram({ name: 'cilium_api_process_time_seconds', help: 'How long API calls took', labelNames: ['path', 'method', 'return_code'], buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2], registers: [registry] });
  const bootstrap = new Gauge({ name: 'cilium_agent_bootstrap_seconds', help: 'How long the start took, by part', labelNames: ['scope', 'outcome'], registers: [registry] });
  return {
    registry,
    observeRegeneration(outcome, seconds) {
      regenerations.inc({ outcome });
      regenerationTime.observe({ scope: 'total' }, seconds);
    },
    observeApi: ({ path, method, code, seconds }) => { api.observe({ path, method, return_code: String(code) }, seconds); },
    observeBootstrap: (scope, seconds) => { bootstrap.set({ scope, outcome: 'success' }, seconds); },
  };
};
