import type { Identity, NumericIdentity } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import { createLabelIndex } from '../compile/label-index.ts';
import type { PreparedRule } from '../compile/prepared-rule.ts';
import type { RuleBook } from '../compile/rule-book.ts';
import type { PlanRequest, SelectedSubject } from '../compile/subject-plans.ts';
import { planRequest } from '../compile/subject-plans.ts';
import type { NamedPort } from '../directory/directory.ts';
import type { Direction } from '../model/rule.ts';
import type { TrackContext } from './tracked-plan.ts';
import { TrackedPlan } from './tracked-plan.ts';

export const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/** A subject and the plans that it has now. */
export interface TrackedSubject {
  readonly identity: Identity;
  readonly namedPorts: readonly NamedPort[] | undefined;
  readonly plans: Record<Direction, TrackedPlan | undefined>;
}

/** The subjects, and who of them has which plan. Plans are shared, and are made of other rules in place where they can be. */
export interface TrackedSubjects {
  get(id: NumericIdentity): TrackedSubject | undefined;
  all(): Iterable<TrackedSubject>;
  add(identity: Identity, namedPorts: readonly NamedPort[] | undefined): void;
  remove(id: NumericIdentity): boolean;
  /** The rules of these subjects have to be looked up again. */
  mark(id: NumericIdentity): void;
  markSelected(rule: PreparedRule): void;
  /** Gives every marked subject the plans of its rules now. */
  assign(book: RuleBook): void;
  plans(): Iterable<TrackedPlan>;
}

/** No subjects. */
export function createTrackedSubjects(context: TrackContext): TrackedSubjects {
  return new Subjects(context);
}

class Subjects implements TrackedSubjects {
  readonly #context: TrackContext;
  readonly #subjects = new Map<NumericIdentity, TrackedSubject>();
  readonly #byLabels = createLabelIndex<TrackedSubject>();
  readonly #marked = new Set<NumericIdentity>();
  readonly #plans = new Map<string, TrackedPlan>();

  constructor(context: TrackContext) {
    this.#context = context;
  }

  get(id: NumericIdentity): TrackedSubject | undefined {
    return this.#subjects.get(id);
  }

  all(): Iterable<TrackedSubject> {
    return this.#subjects.values();
  }

  plans(): Iterable<TrackedPlan> {
    return this.#plans.values();
  }

  add(identity: Identity, namedPorts: readonly NamedPort[] | undefined): void {
    const known = this.#subjects.get(identity.id);
    const subject: TrackedSubject = { identity, namedPorts, plans: known?.plans ?? { ingress: undefined, egress: undefined } };
    if (known !== undefined) this.#byLabels.remove(known.identity.labels, known);
    this.#subjects.set(identity.id, subject);
    this.#byLabels.add(identity.labels, subject);
    this.#marked.add(identity.id);
  }

  remove(id: NumericIdentity): boolean {
    const subject = this.#subjects.get(id);
    if (subject === undefined) return false;
    this.#subjects.delete(id);
    this.#marked.delete(id);
    this.#byLabels.remove(subject.identity.labels, subject);
    for (const direction of DIRECTIONS) this.#leave(subject, direction);
    return true;
  }

  mark(id: NumericIdentity): void {
    if (this.#subjects.has(id)) this.#marked.add(id);
  }

  markSelected({ rule, selectsHost }: PreparedRule): void {
    this.#byLabels.candidates(rule.subject, ({ identity: { id, labels } }) => {
      if (selectsHost === labels.has('reserved', 'host') && selectorMatches(rule.subject, labels)) this.#marked.add(id);
    });
  }

  assign(book: RuleBook): void {
    const moves = new Map<TrackedPlan, Move[]>();
    for (const id of this.#marked) {
      const subject = this.#subjects.get(id)!;
      const selected: SelectedSubject = { subject: subject.identity, rules: book.select(subject.identity.labels), namedPorts: subject.namedPorts };
      for (const direction of DIRECTIONS) {
        const request = planRequest(direction, selected, this.#context);
        const plan = subject.plans[direction];
        if (plan === undefined) this.#join(subject, request);
        else if (plan.request.key !== request.key) append(moves, plan, { subject, request });
      }
    }
    this.#marked.clear();
    for (const [plan, moving] of moves) this.#move(plan, moving);
  }

  /** A plan that all of its subjects leave for the same rules becomes the plan of those rules, unless there is one. */
  #move(plan: TrackedPlan, moving: readonly Move[]): void {
    const [{ request }] = moving as [Move];
    const together = moving.length === plan.subjects.size && moving.every((move) => move.request.key === request.key);
    if (together && !this.#plans.has(request.key)) {
      this.#plans.delete(plan.request.key);
      this.#plans.set(request.key, plan);
      plan.replan(request);
      return;
    }
    for (const move of moving) {
      this.#leave(move.subject, move.request.direction);
      this.#join(move.subject, move.request);
    }
  }

  #join(subject: TrackedSubject, request: PlanRequest): void {
    let plan = this.#plans.get(request.key);
    if (plan === undefined) this.#plans.set(request.key, (plan = new TrackedPlan(request, this.#context)));
    plan.subjects.add(subject.identity.id);
    subject.plans[request.direction] = plan;
  }

  #leave(subject: TrackedSubject, direction: Direction): void {
    const plan = subject.plans[direction];
    subject.plans[direction] = undefined;
    if (plan === undefined || !plan.subjects.delete(subject.identity.id) || plan.subjects.size > 0) return;
    this.#plans.delete(plan.request.key);
    plan.retire();
  }
}

interface Move {
  readonly subject: TrackedSubject;
  readonly request: PlanRequest;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
