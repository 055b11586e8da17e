import type { IpAddress } from '@cilium-ts/core';
import type { Pool } from '../balancer/pool.ts';
import { poolCandidates, poolChoice } from '../balancer/pool.ts';
import type { ServiceState } from '../balancer/service-state.ts';
import type { Shared } from '../balancer/shared.ts';
import type { EndpointState } from '../model/endpoints.ts';
import { protocolOfNumber } from '../model/protocol.ts';
import type { ServiceRecord } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';
import type { Candidate } from '../plan/candidates.ts';
import type { Choice } from '../plan/choose.ts';
import type { Flow, Selection } from './flow.ts';
import { selectBackend } from './select.ts';

/** A backend of the service, and whether new flows may get it. */
export interface ConsideredBackend {
  readonly address: IpAddress;
  readonly port: number;
  readonly state: EndpointState;
  readonly weight: number;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly eligible: boolean;
  /** Why it may or may not. */
  readonly reason: string;
}

/** What happens to a flow, and why. */
export interface Explanation {
  readonly selection: Selection;
  /** Key of the service whose frontend it is, as its source gave it. */
  readonly key?: string;
  /** `namespace/name` of that service. */
  readonly service?: string;
  /** Every backend that the service's port has in the flow's family; empty where there is no service. */
  readonly considered: readonly ConsideredBackend[];
  /** The whole story for people, one sentence per line. */
  readonly lines: readonly string[];
}

/** Explains {@link selectBackend}. `states` are all services of the balancer. */
export function explainFlow(flow: Flow, shared: Shared, states: Iterable<ServiceState>): Explanation {
  const selection = selectBackend(flow, shared);
  const record = 'service' in selection ? selection.service : undefined;
  const owner = record === undefined ? undefined : ownerOf(record, states);
  const pool = owner === undefined ? undefined : [...owner.pools.values()].find(({ id }) => id === record?.pool);
  if (record === undefined || owner === undefined || pool === undefined) {
    return { selection, considered: [], lines: [headline(flow, selection)] };
  }
  const candidates = poolCandidates({ ...pool, local: false }, owner, shared);
  const choice = poolChoice(pool.local ? poolCandidates(pool, owner, shared) : candidates, owner, shared);
  const considered = candidates.map((candidate) => consider(candidate, choice, pool, shared));
  const lines = [headline(flow, selection), frontendLine(record, owner), ...policyLines(record, choice), ...considered.map(backendLine)];
  if (selection.verdict === 'backend') lines.push(selectionLine(record, selection, pool));
  return { selection, key: owner.key, service: owner.name, considered, lines };
}

function ownerOf({ id }: ServiceRecord, states: Iterable<ServiceState>): ServiceState | undefined {
  for (const state of states) for (const { record } of state.held.values()) if (record.id === id) return state;
  return undefined;
}

const REFUSALS: Readonly<Record<(Selection & { verdict: 'refused' })['reason'], string>> = {
  'source-range': 'the source ranges of the service keep the client out',
  'cluster-ip': 'the address is for clients inside the cluster only',
  'unknown-port': 'the address is a service\'s, but none has that port',
};

function headline({ address, port, protocol, from }: Flow, selection: Selection): string {
  const to = `${protocol} to ${hostPort(address, port)} from ${from === 'inside' ? 'inside' : 'outside'} the cluster`;
  switch (selection.verdict) {
    case 'pass':
      return `${to} is no service's: it goes where it is addressed to`;
    case 'backend':
      return `${to} goes to ${hostPort(selection.backend.address, selection.backend.port)}`;
    case 'no-backend':
      return `${to} is refused: the service has no backend that takes connections`;
    case 'refused':
      return `${to} is dropped: ${REFUSALS[selection.reason]}`;
  }
}

function frontendLine(record: ServiceRecord, owner: ServiceState): string {
  const kind = [...owner.held.values()].find((held) => held.record.id === record.id)?.planned.frontend.kind ?? 'frontend';
  return `service ${owner.name}: ${kind} ${hostPort(record.address, record.port)}/${protocolOfNumber(record.protocol)}, id ${record.id}, scope ${record.scope}`;
}

function policyLines({ flags, scope }: ServiceRecord, { terminating, hints }: Choice): readonly string[] {
  const lines: string[] = [];
  const local = scope === 'external' && (flags & SERVICE_FLAGS.EXTERNAL_LOCAL) !== 0 ? 'externalTrafficPolicy' : 'internalTrafficPolicy';
  const isLocal = (flags & (local === 'externalTrafficPolicy' ? SERVICE_FLAGS.EXTERNAL_LOCAL : SERVICE_FLAGS.INTERNAL_LOCAL)) !== 0;
  if (isLocal) lines.push(`${local} is Local: only backends on this node count`);
  if (terminating) lines.push('no backend is active: terminating ones serve until one is');
  if (hints !== 'any') lines.push(`topology hints keep the traffic ${hints === 'zone' ? 'in this zone' : 'on this node'}`);
  return lines;
}

function consider(candidate: Candidate, choice: Choice, pool: Pool, { settings }: Shared): ConsideredBackend {
  const { address, port, state, weight, endpoint } = candidate;
  const eligible = choice.chosen.some(({ key }) => key === candidate.key) && pool.members.has(candidate.key);
  const reason = eligible ? `eligible with weight ${weight}` : refusal(candidate, choice, pool, settings.nodeName);
  const place = { ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }), ...(endpoint.zone === undefined ? {} : { zone: endpoint.zone }) };
  return { address, port, state, weight, ...place, eligible, reason };
}

const STATE_REASONS: Readonly<Record<EndpointState, string>> = {
  active: 'topology hints mean it for others',
  terminating: 'it terminates, and others are active',
  draining: 'it terminates and serves no more',
  quarantined: 'its probe fails',
  maintenance: 'it is not ready, or has weight 0',
};

function refusal({ key, state, endpoint }: Candidate, choice: Choice, pool: Pool, nodeName: string): string {
  if (pool.local && endpoint.nodeName !== nodeName) return endpoint.nodeName === undefined ? 'it is on no node' : `it is on node ${endpoint.nodeName}`;
  if (choice.chosen.some((chosen) => chosen.key === key)) return 'the map of backends has no place for it';
  return STATE_REASONS[state];
}

function backendLine({ address, port, state, eligible, reason }: ConsideredBackend): string {
  return `backend ${hostPort(address, port)} (${state}): ${eligible ? '' : 'not chosen, '}${reason}`;
}

function selectionLine({ flags, affinityTimeout }: ServiceRecord, selection: Selection & { verdict: 'backend' }, pool: Pool): string {
  const how = pool.maglev ? 'Maglev table' : 'weighted sequence';
  const affinity = (flags & SERVICE_FLAGS.AFFINITY) === 0 ? '' : `; the client stays with its backend for ${affinityTimeout} s after its last connection`;
  return `hash 0x${selection.hash.toString(16).padStart(8, '0')} leads to place ${selection.position} of ${pool.run.length} in the ${how}${affinity}`;
}

function hostPort(address: IpAddress, port: number): string {
  return `${address.family === 6 ? `[${address.text}]` : address.text}:${port}`;
}
