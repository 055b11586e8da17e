import type { Identity, NumericIdentity } from '@cilium-ts/identity';
import { labelsUnder } from '../compile/by-address.ts';
import type { CompiledPolicy } from '../compile/compiled-policy.ts';
import { compiledPolicy } from '../compile/compiled-policy.ts';
import type { PeerIndex } from '../compile/peer-index.ts';
import { createPeerIndex } from '../compile/peer-index.ts';
import type { SubjectDetails } from '../compile/policy-compiler.ts';
import type { RuleBook } from '../compile/rule-book.ts';
import { createRuleBook } from '../compile/rule-book.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction } from '../model/rule.ts';
import type { PolicyRepository } from '../repository.ts';
import { repositoryPools, ruleSource } from '../repository.ts';
import type { DirectionDelta, PolicyDelta, SubjectDelta } from './policy-delta.ts';
import type { RuleSetUsers } from './rule-set-users.ts';
import { createRuleSetUsers } from './rule-set-users.ts';
import type { TrackContext, TrackedPlan } from './tracked-plan.ts';
import { watchersOf } from './tracked-plan.ts';
import type { TrackedSubject, TrackedSubjects } from './tracked-subjects.ts';
import { DIRECTIONS, createTrackedSubjects } from './tracked-subjects.ts';

/** How much a tracker holds and how much it has done. */
export interface TrackerStats {
  readonly identities: number;
  readonly subjects: number;
  /** Plans: policies of one direction, each for all subjects with the same rules. */
  readonly plans: number;
  readonly selectors: number;
  /** How often a selector was asked about labels, and a row was looked up for a peer, since the beginning. */
  readonly evaluations: number;
  readonly rows: number;
}

/**
 * Keeps policies of subjects towards identities up to date with a repository and its directory, and says what changed.
 * Only what a change touches is evaluated, and not before somebody asks.
 */
export interface PolicyTracker {
  /** Adds a peer; one with its number and other labels is replaced. */
  addIdentity(identity: Identity): void;
  /** Whether there was one. */
  removeIdentity(id: NumericIdentity): boolean;
  /** Adds an identity of the node's own endpoints. It is no peer unless it is added as one, too. */
  addSubject(identity: Identity, details?: SubjectDetails): void;
  removeSubject(id: NumericIdentity): boolean;
  /** What changed since the last call; the first gives everything. */
  take(): PolicyDelta;
  /**
   * The policy of a subject now; the same object until it changes. `undefined` for one that was not added. Throws
   * PolicyModelError where it can not be compiled.
   */
  policy(id: NumericIdentity): CompiledPolicy | undefined;
  readonly stats: TrackerStats;
  /** Leaves the repository alone from now on. */
  close(): void;
  [Symbol.dispose](): void;
}

/** What a tracker is made with. */
export interface TrackerDeps {
  readonly repository: PolicyRepository;
  readonly options: PolicyOptions;
}

/** A tracker without identities and subjects. */
export function createPolicyTracker({ repository, options }: TrackerDeps): PolicyTracker {
  return new Tracker(repository, options);
}

/** What was last said of a subject. */
interface Told {
  readonly state: SubjectDelta['kind'];
  readonly error?: string;
  readonly plans: Readonly<Record<Direction, TrackedPlan | undefined>>;
}

class Tracker implements PolicyTracker {
  readonly #repository: PolicyRepository;
  readonly #context: TrackContext;
  readonly #peers: PeerIndex;
  readonly #book: RuleBook;
  readonly #users: RuleSetUsers = createRuleSetUsers();
  readonly #subjects: TrackedSubjects;
  readonly #told = new Map<NumericIdentity, Told>();
  readonly #policies = new WeakMap<TrackedSubject, CompiledPolicy>();
  readonly #stop: () => void;

  constructor(repository: PolicyRepository, options: PolicyOptions) {
    this.#repository = repository;
    const { directory } = repository;
    this.#peers = createPeerIndex(labelsUnder(options));
    this.#book = createRuleBook(ruleSource(repository), options);
    this.#context = {
      options,
      peers: this.#peers,
      directory,
      pools: repositoryPools(repository),
      watchers: new Map(),
      portWatchers: new Set(),
      hostWatchers: new Set(),
      users: this.#users,
      work: { rows: 0 },
    };
    this.#subjects = createTrackedSubjects(this.#context);
    this.#stop = directory.subscribe((change) => {
      if (change.kind !== 'named-ports') return;
      this.#subjects.mark(change.identity);
      for (const plan of this.#context.portWatchers) plan.mark(change.identity);
    });
  }

  addIdentity(identity: Identity): void {
    const added = this.#peers.add(identity);
    if (added === undefined) return;
    for (const record of [added.record, added.replaced]) {
      if (record !== undefined) for (const plan of watchersOf(record, this.#context)) plan.mark(identity.id);
    }
  }

  removeIdentity(id: NumericIdentity): boolean {
    const record = this.#peers.remove(id);
    if (record === undefined) return false;
    for (const plan of watchersOf(record, this.#context)) plan.mark(id);
    return true;
  }

  addSubject(identity: Identity, { namedPorts }: SubjectDetails = {}): void {
    this.#subjects.add(identity, namedPorts);
  }

  removeSubject(id: NumericIdentity): boolean {
    return this.#subjects.remove(id);
  }

  take(): PolicyDelta {
    this.#update();
    const subjects = new Map<NumericIdentity, SubjectDelta>();
    const deltas = new Map<TrackedPlan, DirectionDelta>();
    for (const subject of this.#subjects.all()) {
      const { id } = subject.identity;
      const delta = this.#deltaOf(subject, deltas);
      if (delta !== undefined) subjects.set(id, delta);
    }
    for (const id of [...this.#told.keys()]) {
      if (this.#subjects.get(id) !== undefined) continue;
      subjects.set(id, { kind: 'removed' });
      this.#told.delete(id);
    }
    for (const plan of this.#subjects.plans()) plan.settle();
    return { revision: this.#repository.revision, subjects, ruleSets: this.#users.take() };
  }

  policy(id: NumericIdentity): CompiledPolicy | undefined {
    this.#update();
    const subject = this.#subjects.get(id);
    if (subject === undefined) return undefined;
    const [ingress, egress] = plansOf(subject);
    const error = ingress.error ?? egress.error;
    if (error !== undefined) throw error;
    const known = this.#policies.get(subject);
    const [entering, leaving] = [ingress.compiled(), egress.compiled()];
    if (known?.ingress === entering && known.egress === leaving) return known;
    const policy = compiledPolicy(entering, leaving);
    this.#policies.set(subject, policy);
    return policy;
  }

  get stats(): TrackerStats {
    const { identities, selectors, evaluations } = this.#peers;
    return { identities, selectors, evaluations, subjects: [...this.#subjects.all()].length, plans: [...this.#subjects.plans()].length, rows: this.#context.work.rows };
  }

  close(): void {
    this.#stop();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #update(): void {
    const { removed, added } = this.#book.sync();
    for (const rule of removed) this.#subjects.markSelected(rule);
    for (const rule of added) this.#subjects.markSelected(rule);
    this.#subjects.assign(this.#book);
    for (const plan of this.#subjects.plans()) plan.update();
  }

  /** What to say of a subject; remembers that it was said. */
  #deltaOf(subject: TrackedSubject, deltas: Map<TrackedPlan, DirectionDelta>): SubjectDelta | undefined {
    const { id } = subject.identity;
    const told = this.#told.get(id);
    const [ingress, egress] = plansOf(subject);
    const error = ingress.error ?? egress.error;
    if (error !== undefined) {
      this.#told.set(id, { state: 'failed', error: error.message, plans: { ingress, egress } });
      return told?.state === 'failed' && told.error === error.message ? undefined : { kind: 'failed', error };
    }
    const before = told?.state === 'changed' ? told.plans : undefined;
    // Most subjects have the plans that they had, and nothing has changed in those.
    if (before?.ingress === ingress && before.egress === egress && !ingress.changed && !egress.changed) return undefined;
    const plans = { ingress, egress };
    this.#told.set(id, { state: 'changed', plans });
    const changes: Partial<Record<Direction, DirectionDelta>> = {};
    for (const direction of DIRECTIONS) {
      const delta = directionDelta(plans[direction], before?.[direction], deltas);
      if (delta !== undefined) changes[direction] = delta;
    }
    return before === undefined || changes.ingress !== undefined || changes.egress !== undefined ? { kind: 'changed', ...changes } : undefined;
  }
}

function plansOf({ plans }: TrackedSubject): readonly [TrackedPlan, TrackedPlan] {
  return [plans.ingress!, plans.egress!];
}

/** Subjects that share a plan share what changed in it. */
function directionDelta(plan: TrackedPlan, before: TrackedPlan | undefined, deltas: Map<TrackedPlan, DirectionDelta>): DirectionDelta | undefined {
  if (plan !== before) {
    const delta = plan.deltaFrom(before);
    return before === undefined || plan.differsFrom(before, delta) ? delta : undefined;
  }
  if (!plan.changed) return undefined;
  let delta = deltas.get(plan);
  if (delta === undefined) deltas.set(plan, (delta = plan.delta()));
  return plan.differsFrom(before, delta) ? delta : undefined;
}
