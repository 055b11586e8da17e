import type { BpfEndpoint, BpfMapDump, BpfPolicyEntry } from '@cilium-ts/agent-api';
import { toHex } from '@cilium-ts/core';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { AgentState } from '../agent-state.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { auditOption } from '../endpoint/endpoint.ts';
import { AgentError } from '../error.ts';
import { decodeEntry, readCell } from './decode-entry.ts';
import { describeRun } from './describe-run.ts';
import type { Handlers } from './handler.ts';

type BpfHandlers = Pick<Handlers, 'listMaps' | 'getMap' | 'listBpfEndpoints' | 'listBpfPolicy' | 'listBpfFlows' | 'listBpfAddresses' | 'listBpfMetrics'>;
type MapName = keyof AgentState['datapath']['maps'];

const DEFAULT_LIMIT = 10_000;
const BETWEEN_PAUSES = 1000;

const labelsOf = (state: AgentState, id: number): string[] => state.allIdentities().find((identity) => identity.id === id)?.labels.toStrings() ?? [];

const policyOf = (state: AgentState, endpoint: Endpoint): BpfPolicyEntry[] =>
  state.datapath.dumpPolicy(asSlot(endpoint.slot)).flatMap(({ direction, identity, runs }) => {
    const labels = identity === undefined ? [] : labelsOf(state, identity);
    return runs.flatMap((run) => {
      const { action, matchName: match } = run.verdict;
      const verdict = { action: action === 'no-policy' ? ('deny-default' as const) : action, match };
      return describeRun(run).map((part) => ({ 'endpoint-id': endpoint.id, direction, identity: identity ?? 0, labels, ...part, ...verdict }));
    });
  });

const endpointsInKernel = (state: AgentState): BpfEndpoint[] => {
  return [...state.endpoints].filter(({ installed }) => installed).sort((a, b) => a.slot - b.slot).flatMap((endpoint) => {
    const { record, ipv4, ipv6 } = endpoint;
    const cell = readCell(state.datapath.maps, endpoint.slot);
    if (!cell) return [];
    return [{
      slot: endpoint.slot, 'endpoint-id': endpoint.id, 'interface-index': record.device.index, mac: record.device.containerMac, 'host-mac': record.device.mac, mtu: record.device.mtu,
      identity: cell.identity, generation: cell.generation, 'policy-version': cell.version, 'policy-revision': cell.revision,
      flags: [...(cell.lockedDown ? ['locked-down'] : []), ...(auditOption(record.options) || state.runtime.audit ? ['audit'] : [])],
      ...(ipv4 && { ipv4: ipv4.text }), ...(ipv6 && { ipv6: ipv6.text }),
    }];
  });
};

const dumpMap = async (state: AgentState, name: string, limit: number): Promise<BpfMapDump> => {
  const map = state.datapath.maps[name as MapName] as AgentState['datapath']['maps'][MapName] | undefined;
  if (!map) throw new AgentError('not-found', `dump map: there is no map ${name}; known: ${Object.keys(state.datapath.maps).join(', ')}`);
  const { type, keySize, valueSize, maxEntries } = map.info;
  const entries: BpfMapDump['entries'] = [];
  let truncated = false;
  let looked = 0;
  if (type !== 'ringbuf') {
    for (const [key, value] of map.entries()) {
      // Arrays have hundreds of thousands of entries, most of them empty; others want to be served meanwhile.
      if (++looked % BETWEEN_PAUSES === 0) await new Promise((resolve) => { setImmediate(resolve); });
      if (type.includes('array') && value.every((byte) => byte === 0)) continue;
      if (entries.length >= limit) {
        truncated = true;
        break;
      }
      entries.push({ key: toHex(key), value: toHex(value), ...decodeEntry(name as MapName, key, value) });
    }
  }
  return { name, path: `${state.config.values['bpf-root']}/${name}`, type, 'key-size': keySize, 'value-size': valueSize, 'max-entries': maxEntries, entries, truncated };
};

/** Serves `/map` and `/bpf`: what is in the kernel, not what should be. */
export const createBpfHandlers = (state: AgentState): BpfHandlers => ({
  listMaps: () => ({
    maps: Object.entries(state.datapath.maps).map(([name, { info }]) => ({
      name, path: `${state.config.values['bpf-root']}/${name}`, type: info.type, 'key-size': info.keySize, 'value-size': info.valueSize, 'max-entries': info.maxEntries,
    })),
  }),
  getMap: ({ params, query }) => dumpMap(state, params.name, query.limit ?? DEFAULT_LIMIT),
  listBpfEndpoints: () => endpointsInKernel(state),
  listBpfPolicy({ query }) {
    const endpoints = query.endpoint === undefined ? [...state.endpoints].sort((a, b) => a.id - b.id) : [state.endpoints.find(query.endpoint)];
    return endpoints.filter(({ installed }) => installed).flatMap((endpoint) => policyOf(state, endpoint));
  },
  listBpfFlows({ query }) {
    const end = (flow: ReturnType<AgentState['datapath']['dumpFlows']>[number]['source']) => {
      const endpoint = flow.slot === undefined ? undefined : state.endpoints.bySlot(flow.slot);
      return { ip: flow.ip.text, port: flow.port, identity: flow.identity, ...(endpoint && { 'endpoint-id': endpoint.id }) };
    };
    return state.datapath.dumpFlows().slice(0, query.limit ?? DEFAULT_LIMIT).map((flow) => ({
      protocol: flow.protocol.name, source: end(flow.source), destination: end(flow.destination),
      state: flow.state.join(',') || 'new', verdict: flow.audited ? 'audited' : flow.allowed ? 'allowed' : 'denied', flags: flow.viaStack ? ['via-stack'] : [],
    }));
  },
  listBpfAddresses: () =>
    state.datapath.dumpAddresses().map(({ cidr, identity, host, slot }) => {
      const endpoint = slot === undefined ? undefined : state.endpoints.bySlot(slot);
      return { prefix: cidr, kind: slot !== undefined ? ('local' as const) : host ? ('host' as const) : ('remote' as const), identity, labels: labelsOf(state, identity), ...(endpoint && { 'endpoint-id': endpoint.id }) };
    }),
  listBpfMetrics: () => state.datapath.metrics().map(({ reason, reasonText, direction, packets, bytes }) => ({ reason, 'reason-name': reasonText, direction, packets: Number(packets), bytes: Number(bytes) })),
});
