import type { Identity } from '@cilium-ts/identity';
import type { NamedPort, PolicyDirectory } from '../directory/directory.ts';
import { canonicalNamedPorts } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction } from '../model/rule.ts';
import { checkConflicts } from './conflicts.ts';
import type { DirectionPlan, Pools } from './direction-plan.ts';
import { createDirectionPlan } from './direction-plan.ts';
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

/** The named ports of a subject that its rules of ingress ask for. */
export function portsAskedFor({ subject, rules, namedPorts }: SelectedSubject, directory: PolicyDirectory): readonly NamedPort[] {
  const names = new Set<string>();
  for (const { rule, namedPeerTerms, namedAnyTerms } of rules) {
    if (rule.direction === 'ingress') for (const { name, protocol } of [...namedPeerTerms, ...namedAnyTerms]) names.add(`${name}/${protocol}`);
  }
  if (names.size === 0) return [];
  const ports = namedPorts === undefined ? directory.namedPorts(subject.id) : canonicalNamedPorts(namedPorts);
  return ports.filter(({ name, protocol }) => names.has(`${name}/${protocol}`));
}

/** Equal for subjects whose plans are the same. */
export function planKey({ subject, rules }: SelectedSubject, ports: readonly NamedPort[]): string {
  const special = ['host', 'init'].filter((key) => subject.labels.has('reserved', key)).join();
  return `${special} ${rules.map(({ number }) => number).join()} ${ports.map(({ name, protocol, port }) => `${name}/${protocol}=${port}`).join()}`;
}

/**
 * The plan of a subject in one direction. Throws PolicyModelError `l7-conflict` and `row-too-large`, and has then
 * retained nothing.
 */
export function planDirection(direction: Direction, selected: SelectedSubject, ports: readonly NamedPort[], context: PlanContext): DirectionPlan {
  const { subject } = selected;
  const rules = selected.rules.filter(({ rule }) => rule.direction === direction);
  const owner = (): string => `${direction} of ${subject.labels.toStrings().join(', ')} (identity ${subject.id})`;
  const enforcement = decideEnforcement(subject.labels, rules.map(({ rule }) => rule), context.options);
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
