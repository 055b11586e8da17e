import type { AgentState } from '../agent-state.ts';
import type { MetricSources } from './agent-metrics.ts';

const countBy = <T>(items: Iterable<T>, key: (item: T) => string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
};

const size = (items: Iterable<unknown>): number => {
  let count = 0;
  for (const _ of items) count++;
  return count;
};

type Sources = Pick<AgentState, 'endpoints' | 'policies' | 'identities' | 'ipcache' | 'resources' | 'datapath' | 'hub' | 'writer' | 'reserved' | 'services'>;

/** Where the metrics come from: the tables as they are when asked. */
export const metricSources = ({ endpoints, policies, identities, ipcache, resources, datapath, hub, writer, reserved, services }: Sources): MetricSources => ({
  packets: () => datapath.metrics(),
  endpointStates: () => countBy(endpoints, ({ state }) => state),
  enforcement: () => countBy(endpoints, ({ enforced: { ingress, egress } }) => (ingress && egress ? 'both' : ingress ? 'ingress' : egress ? 'egress' : 'none')),
  policies: () => policies.repository.all().length,
  policyRevision: () => policies.repository.revision,
  policyChanges: () => policies.changes,
  identities: () => new Map([['reserved', reserved.all().length], ['cluster_local', size(identities.all())], ['node_local', size(ipcache.identities())]]),
  mapPressure: () => {
    const { maps } = datapath;
    const { policies: rows, addresses } = { policies: 'cilium_policy', addresses: 'cilium_addresses' } as const;
    return [rows, addresses].map((map) => ({ map, pressure: countEntries(maps[map]) / maps[map].info.maxEntries }));
  },
  lostEvents: () => hub.lostTotal,
  serviceEvents: () => services.current?.events ?? { add: 0, update: 0, delete: 0 },
  addresses: () => new Map((['ipv4', 'ipv6'] as const).flatMap((family) => (resources[family] ? [[family, size(resources[family].entries())] as const] : []))),
  controller: () => ({ runs: writer.stats.runs, failures: writer.stats.failures, failing: writer.stats.consecutiveFailures > 0 }),
});

const countEntries = (map: { entries(): Iterable<unknown> }): number => size(map.entries());
