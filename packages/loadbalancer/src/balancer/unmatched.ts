import type { EndpointSlice } from '../model/endpoints.ts';
import type { PlannedRecord } from '../plan/frontend-plan.ts';
import { formatFrontend } from '../plan/frontend-plan.ts';
import type { Settings } from '../plan/options.ts';
import type { Finding } from '../plan/problem.ts';
import type { Pool } from './pool.ts';
import { poolKey } from './pool.ts';
import type { ServiceState } from './service-state.ts';

type Port = Pick<Pool, 'portName' | 'protocol'>;

/** Ports that are named in a message. */
const NAMED = 5;

/**
 * Frontends that have no backend although the service has endpoints, for these are of another port or family. Kubernetes
 * accepts that without a word. A service whose endpoints are yet to come, or are on other nodes, is as it should be.
 */
export function unmatchedPorts(state: ServiceState, settings: Settings): readonly Finding[] {
  // Most services have backends: for them nothing is made.
  for (const { members } of state.pools.values()) if (members.size === 0) return Array.from(state.held.values(), ({ planned }) => planned).flatMap((planned) => unmatched(planned, state, settings));
  return [];
}

function unmatched(planned: PlannedRecord, { pools, slices }: ServiceState, settings: Settings): readonly Finding[] {
  const pool = pools.get(poolKey(planned));
  if (planned.scope !== 'external' || pool === undefined || pool.members.size > 0) return [];
  const wrong = mismatch(pool, [...slices.values()].filter(({ endpoints }) => endpoints.length > 0), settings);
  return wrong === undefined ? [] : [{ code: 'no-matching-endpoint', severity: 'warning', frontend: formatFrontend(planned.frontend), ...wrong }];
}

/** What about the slices keeps them from the pool. */
function mismatch(pool: Pool, slices: readonly EndpointSlice[], settings: Settings): Pick<Finding, 'message' | 'remedy'> | undefined {
  if (slices.length === 0) return undefined;
  const matching = slices.filter(({ ports }) => ports.some(({ name, protocol }) => name === pool.portName && protocol === pool.protocol));
  if (matching.length === 0) {
    const message = `it has no backends: it needs endpoints with the ${portText(pool)}, and they have ${portsText(slices)}`;
    return { message, remedy: 'give the port the same name and protocol in Service and EndpointSlice' };
  }
  const families = new Set(matching.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses.map(({ family }) => family))));
  if (families.size === 0 || families.has(pool.family)) return undefined;
  const other = pool.family === 4 ? 6 : 4;
  const off = (other === 4 ? settings.ipv4 : settings.ipv6) ? '' : `; IPv${other} is switched off on this node`;
  const message = `it has no backends: its endpoints have IPv${other} addresses only${off}`;
  return { message, remedy: `add an EndpointSlice of addressType IPv${pool.family}, or give the service an IPv${other} address${off === '' ? '' : ` and switch it on with enable-ipv${other}`}` };
}

const portText = ({ portName, protocol }: Port): string => `${protocol} port ${portName === '' ? 'without a name' : JSON.stringify(portName)}`;

function portsText(slices: readonly EndpointSlice[]): string {
  const all = [...new Set(slices.flatMap(({ ports }) => ports.map(({ name, protocol }) => portText({ portName: name, protocol }))))].sort();
  if (all.length === 0) return 'no ports';
  return `the ${all.slice(0, NAMED).join(', the ')}${all.length > NAMED ? ` and ${all.length - NAMED} more` : ''}`;
}
