import type { Identity } from '@cilium-ts/identity';
import type { NamedPort, PolicyDirectory } from '../directory/directory.ts';
import { canonicalNamedPorts, namedPortsText } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction } from '../model/rule.ts';
import { checkConflicts } from './conflicts.ts';
import type { DirectionPlan, Pools } from './direction-plan.ts';
import { createDirectionPlan } from './direction-plan.ts';
import type { Enforcement } from './enforcement.ts';
import { decideEnforcement } from './enforcement.ts';
import type { PeerIndex } from './peer-index.ts';
import type { PreparedRule } from './prepared-rule.ts';

/** What the plans of all subjects have in common. */
export interface PlanContext {
  readonly options: PolicyOptions;
  readonly peers: PeerIndex;
  readonly directory: PolicyDirectory;
  readonly pools: Pools;
}

/** The endpoints of an identity, and the rules that select them. */
export interface SelectedSubject {
  readonly subject: Identity;
  readonly rules: readonly PreparedRule[];
  /** Ports that its containers have named; `undefined`: what the directory knows of its identity. */
  readonly namedPorts: readonly NamedPort[] | undefined;
}

/** All that a plan depends on. */
export interface PlanRequest {
  readonly direction: Direction;
  readonly subject: Identity;
  /** Those of the direction. */
  readonly rules: readonly PreparedRule[];
  /** The named ports of the subject that rules of ingress ask for. */
  readonly ports: readonly NamedPort[];
  readonly enforcement: Enforcement;
  /** Equal for subjects whose plans are the same. */
  readonly key: string;
}

/** What the plan of a subject in one direction is made of. */
export function planRequest(direction: Direction, selected: SelectedSubject, context: PlanContext): PlanRequest {
  const { subject } = selected;
  const rules = selected.rules.filter(({ rule }) => rule.direction === direction);
  const enforcement = decideEnforcement(subject.labels, rules.map(({ rule }) => rule), context.options);
  const ports = direction === 'ingress' && enforcement.kind !== 'off' ? portsAskedFor({ ...selected, rules }, context.directory) : [];
  const numbers = enforcement.kind === 'off' ? '' : rules.map(({ number }) => number).join();
  return { direction, subject, rules, ports, enforcement, key: `${direction} ${enforcement.kind} ${numbers} ${namedPortsText(ports)}` };
}

function portsAskedFor({ subject, rules, namedPorts }: SelectedSubject, directory: PolicyDirectory): readonly NamedPort[] {
  const names = new Set<string>();
  for (const { namedPeerTerms, namedAnyTerms } of rules) {
    for (const { name, protocol } of namedPeerTerms) names.add(`${name}/${protocol}`);
    for (const { name, protocol } of namedAnyTerms) names.add(`${name}/${protocol}`);
  }
  if (names.size === 0) return [];
  const ports = namedPorts === undefined ? directory.namedPorts(subject.id) : canonicalNamedPorts(namedPorts);
  return ports.filter(({ name, protocol }) => names.has(`${name}/${protocol}`));
}

/** Makes a plan. Throws PolicyModelError `l7-conflict` and `row-too-large`, and has then retained nothing. */
export function makePlan({ direction, subject, rules, ports, enforcement }: PlanRequest, context: PlanContext): DirectionPlan {
  const owner = (): string => `${direction} of ${subject.labels.toStrings().join(', ')} (identity ${subject.id})`;
  if (enforcement.kind !== 'off') checkConflicts(rules, owner);
  return createDirectionPlan({
    rules,
    enforcement,
    allowHost: direction === 'ingress' && context.options.allowLocalhost && context.options.strictNetworkPolicy !== true,
    subjectPorts: direction === 'ingress' ? ports : undefined,
    peers: context.peers,
    directory: context.directory,
    pools: context.pools,
    owner,
  });
}
