import type { TrafficDistribution } from '../model/service.ts';
import type { Candidate } from './candidates.ts';

/** Where the node is, and what the service prefers. */
export interface ChoiceOptions {
  readonly nodeName: string;
  readonly zone: string | undefined;
  readonly distribution: TrafficDistribution;
}

/** The backends that take new connections, and why these. */
export interface Choice {
  readonly chosen: readonly Candidate[];
  /** Whether terminating backends serve because no active one is left. */
  readonly terminating: boolean;
  /** Which hints have narrowed the choice. */
  readonly hints: TrafficDistribution;
}

/**
 * Active backends, narrowed by topology hints; terminating ones only while no active one is left. Hints count only if
 * every active backend has some, and at least one backend is meant for this zone or node.
 */
export function chooseBackends(candidates: readonly Candidate[], options: ChoiceOptions): Choice {
  const active = candidates.filter(({ state }) => state === 'active');
  if (active.length === 0) {
    const chosen = candidates.filter(({ state }) => state === 'terminating');
    return { chosen, terminating: chosen.length > 0, hints: 'any' };
  }
  if (options.distribution === 'any') return { chosen: active, terminating: false, hints: 'any' };
  const onNode = options.distribution === 'node' ? hinted(active, 'nodeHints', options.nodeName) : undefined;
  if (onNode !== undefined) return { chosen: onNode, terminating: false, hints: 'node' };
  const inZone = hinted(active, 'zoneHints', options.zone);
  return { chosen: inZone ?? active, terminating: false, hints: inZone === undefined ? 'any' : 'zone' };
}

function hinted(active: readonly Candidate[], field: 'nodeHints' | 'zoneHints', here: string | undefined): readonly Candidate[] | undefined {
  if (here === undefined || active.some(({ endpoint }) => (endpoint[field]?.length ?? 0) === 0)) return undefined;
  const meant = active.filter(({ endpoint }) => endpoint[field]?.includes(here));
  return meant.length === 0 ? undefined : meant;
}
