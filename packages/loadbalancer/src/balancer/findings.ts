import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { formatFrontend } from '../plan/frontend-plan.ts';
import type { Settings } from '../plan/options.ts';
import { MOST } from '../plan/options.ts';
import type { Finding } from '../plan/problem.ts';
import type { Claims } from './claims.ts';
import { poolKey } from './pool.ts';
import type { ServiceState } from './service-state.ts';
import type { Shared } from './shared.ts';
import { unmatchedPorts } from './unmatched.ts';

/** Everything that is wrong with a service now. */
export function findingsOf(state: ServiceState, { claims, settings }: Shared): readonly Finding[] {
  const pools = [...state.pools.values()].flatMap(({ findings }) => findings);
  return [...state.planFindings, ...conflicts(state, claims), ...state.recordFindings, ...pools, ...sctpPorts(state), ...unmatchedPorts(state, settings)];
}

/** Frontends that others have; those lost to a redirect are not amiss, that is what redirects are for. */
function conflicts(state: ServiceState, claims: Claims): readonly Finding[] {
  return state.planned.flatMap(({ key, scope, frontend }) => {
    const owner = claims.owner(key);
    if (scope === 'internal' || owner === undefined || owner === state || owner.priority < state.priority) return [];
    const message = `${owner.name} (${owner.key}) has this frontend`;
    return [{ code: 'conflict', frontend: formatFrontend(frontend), message, remedy: 'give one of the two another address or port' }];
  });
}

/** SCTP's checksum covers the ports and is not made anew per packet. */
function sctpPorts(state: ServiceState): readonly Finding[] {
  const planned = Array.from(state.held.values(), (held) => held.planned);
  return planned.filter((one) => one.scope === 'external' && changesSctpPort(one, state)).map((one) => sctpPort(one));
}

function changesSctpPort(planned: PlannedRecord, { pools }: ServiceState): boolean {
  const { protocol, port } = planned.frontend;
  if (protocol !== 'SCTP') return false;
  return [...(pools.get(poolKey(planned))?.members.values() ?? [])].some((backend) => backend.port !== port);
}

function sctpPort({ frontend }: PlannedRecord): Finding {
  const message = 'packets to backends with another port are dropped: ports of SCTP are not translated';
  return { code: 'sctp-port', severity: 'warning', frontend: formatFrontend(frontend), message, remedy: 'let the backends listen on the port of the frontend' };
}

/** No id is left. */
export function servicesFull({ limits }: Settings): Finding {
  const message = 'no id is left for this frontend: the map of services is full';
  const raise = limits.services < MOST.services ? 'raise bpf-lb-map-max (65,535 at most have ids), ' : '65,535 is the most that a node can have: ';
  return { code: 'services-full', message, remedy: `${raise}remove services, or spread them over more nodes by node exposure` };
}

/** Source ranges have no place. */
export function sourceRangesFull(count: number): Finding {
  const message = `its ${count} source ranges have no place: the map is full, and without them it would be open to everybody`;
  return { code: 'source-ranges-full', message, remedy: 'join source ranges to larger prefixes' };
}

/** The frontend has another id than it asked for. */
export function idTaken(wish: number, id: number): Finding {
  const message = `id ${wish} is another frontend's; it has id ${id}`;
  return { code: 'id-taken', severity: 'warning', message, remedy: 'ask for an id that is free' };
}

/** Wildcards have no place. */
export function wildcardsFull({ limits }: Settings): Finding {
  const message = 'other ports of its addresses are not refused: the map of frontends is full';
  return { code: 'services-full', severity: 'warning', message, remedy: limits.frontends < MOST.frontends ? 'raise bpf-lb-map-max, or remove services' : 'remove services' };
}
