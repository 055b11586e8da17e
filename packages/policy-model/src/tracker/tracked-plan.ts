import type { Identity, NumericIdentity } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import type { CompiledDirection } from '../compile/compiled-policy.ts';
import type { DirectionPlan } from '../compile/direction-plan.ts';
import type { PeerRecord, SelectorEntry } from '../compile/peer-index.ts';
import type { PolicyRow } from '../compile/row.ts';
import type { PlanContext, PlanRequest } from '../compile/subject-plans.ts';
import { makePlan } from '../compile/subject-plans.ts';
import { PolicyModelError } from '../error.ts';
import type { DirectionDelta } from './policy-delta.ts';
import type { RuleSetUsers } from './rule-set-users.ts';

/** What tracked plans work with. */
export interface TrackContext extends PlanContext {
  /** The plans to which a selector matters. */
  readonly watchers: Map<SelectorEntry, Set<TrackedPlan>>;
  /** The plans that the named ports of peers matter to, and those that have something of their own for the node. */
  readonly portWatchers: Set<TrackedPlan>;
  readonly hostWatchers: Set<TrackedPlan>;
  readonly users: RuleSetUsers;
  /** Rows looked up so far, for tests and benchmarks. */
  readonly work: { rows: number };
}

/** As many peers are looked up one by one in any case. */
const MANY = 50;

/** A plan with its rows kept up to date, for all subjects that share it, and what changed in it since the last delta. */
export class TrackedPlan {
  request: PlanRequest;
  /** Why there are no rows. */
  error: PolicyModelError | undefined;
  readonly subjects = new Set<NumericIdentity>();
  readonly #context: TrackContext;
  #plan: DirectionPlan | undefined;
  /** Of `#plan`, unless rows could not be made. */
  #any: PolicyRow | undefined;
  #enforced = true;
  #rows = new Map<NumericIdentity, PolicyRow>();
  /** Somebody holds `#rows`: it must not change any more. */
  #lent: CompiledDirection | undefined;
  /** Peers whose rows have to be looked up again. */
  readonly #dirty = new Set<NumericIdentity>();
  #allDirty = true;
  /** Was there no such plan at the last delta? Then nobody needs to know what changed since. */
  #fresh = true;
  readonly #before = new Map<NumericIdentity, PolicyRow | undefined>();
  #anyBefore: PolicyRow | undefined;
  #enforcedBefore = true;

  constructor(request: PlanRequest, context: TrackContext) {
    this.request = request;
    this.#context = context;
    this.#makePlan();
  }

  /** Has anything changed since the last delta? */
  get changed(): boolean {
    return this.#before.size > 0 || this.#any !== this.#anyBefore || this.#enforced !== this.#enforcedBefore;
  }

  mark(id: NumericIdentity): void {
    this.#dirty.add(id);
  }

  /** Makes the plan of other rules; the rows are looked up again of peers to which the difference matters. */
  replan(request: PlanRequest): void {
    const before = this.request;
    const old = this.#plan;
    this.request = request;
    this.#unwatch();
    this.#makePlan();
    if (sameForEverybody(before, request)) {
      const texts = new Set<string>();
      for (const { peers } of differing(before.rules, request.rules)) for (const { text } of peers) texts.add(text);
      for (const plan of [old, this.#plan]) {
        for (const entry of plan?.entries.keys() ?? []) if (texts.has(entry.selector.text)) this.#markMembers(entry);
      }
    } else {
      this.#allDirty = true;
    }
    if (this.error !== undefined) this.#allDirty = true;
    // Only now, so that selectors of both plans are not looked for again.
    old?.close();
  }

  #markMembers({ members }: SelectorEntry): void {
    this.#allDirty ||= members.size > this.#many;
    if (!this.#allDirty) for (const { identity } of members) this.#dirty.add(identity.id);
  }

  /** From so many peers on it is faster to go by selectors than by peers. */
  get #many(): number {
    return MANY + this.#rows.size / 4;
  }

  /** Brings the rows up to date. */
  update(): void {
    if (this.#plan === undefined || (!this.#allDirty && this.#dirty.size === 0)) return;
    try {
      // After a failure nothing is known of any row.
      if (this.#allDirty || this.error !== undefined || this.#dirty.size > this.#many) this.#updateAll(this.#plan);
      else this.#updateDirty(this.#plan);
      this.error = undefined;
    } catch (error) {
      this.#fail(error);
    }
    // After a failure it is tried again when something that matters changes.
    this.#allDirty = false;
    this.#dirty.clear();
  }

  /** The rows as they are; they do not change any more under whoever holds them. */
  compiled(): CompiledDirection {
    return (this.#lent ??= { enforced: this.#enforced, any: this.#any!, byIdentity: this.#rows });
  }

  /** What changed since the last delta. */
  delta(): DirectionDelta {
    const upserted = new Map<NumericIdentity, PolicyRow>();
    const removed = new Set<NumericIdentity>();
    for (const [id, before] of this.#before) {
      const now = this.#rows.get(id);
      if (now === before) continue;
      if (now === undefined) removed.add(id);
      else upserted.set(id, now);
    }
    return { enforced: this.#enforced, ...(this.#any !== this.#anyBefore && { any: this.#any! }), upserted, removed };
  }

  /** What is different from what another plan was at the last delta; without one, all. */
  deltaFrom(other: TrackedPlan | undefined): DirectionDelta {
    if (other === undefined) return { enforced: this.#enforced, any: this.#any!, upserted: this.compiled().byIdentity, removed: new Set() };
    const upserted = new Map<NumericIdentity, PolicyRow>();
    const removed = new Set<NumericIdentity>();
    for (const [id, row] of this.#rows) if (other.rowBefore(id) !== row) upserted.set(id, row);
    for (const id of [...other.#rows.keys(), ...other.#before.keys()]) if (other.rowBefore(id) !== undefined && !this.#rows.has(id)) removed.add(id);
    return { enforced: this.#enforced, ...(this.#any !== other.#anyBefore && { any: this.#any! }), upserted, removed };
  }

  /** Whether such a difference from another plan is one. */
  differsFrom(other: TrackedPlan, { any, upserted, removed }: DirectionDelta): boolean {
    return any !== undefined || upserted.size > 0 || removed.size > 0 || this.#enforced !== other.#enforcedBefore;
  }

  /** The row of a peer at the last delta. */
  rowBefore(id: NumericIdentity): PolicyRow | undefined {
    return this.#before.has(id) ? this.#before.get(id) : this.#rows.get(id);
  }

  /** From now on changes are those since now. */
  settle(): void {
    this.#fresh = false;
    // Asked first, since an empty map would be made anew, for every plan at every delta.
    if (this.#before.size > 0) this.#before.clear();
    this.#anyBefore = this.#any;
    this.#enforcedBefore = this.#enforced;
  }

  /** Nobody has the plan any more. Its rows stay as they are, for one last comparison. */
  retire(): void {
    this.#unwatch();
    this.#plan?.close();
    this.#plan = undefined;
    for (const row of this.#rows.values()) this.#context.users.replace(row, undefined);
    this.#context.users.replace(this.#any, undefined);
  }

  #makePlan(): void {
    try {
      this.#plan = makePlan(this.request, this.#context);
      this.#watch(this.#plan);
    } catch (error) {
      this.#plan = undefined;
      this.#fail(error);
    }
  }

  #watch(plan: DirectionPlan): void {
    const { watchers, portWatchers, hostWatchers } = this.#context;
    for (const entry of plan.entries.keys()) {
      const plans = watchers.get(entry);
      if (plans === undefined) watchers.set(entry, new Set([this]));
      else plans.add(this);
    }
    if (plan.usesPeerPorts) portWatchers.add(this);
    if (plan.usesHost) hostWatchers.add(this);
  }

  #unwatch(): void {
    const { watchers, portWatchers, hostWatchers } = this.#context;
    for (const entry of this.#plan?.entries.keys() ?? []) {
      const plans = watchers.get(entry);
      if (plans?.delete(this) && plans.size === 0) watchers.delete(entry);
    }
    portWatchers.delete(this);
    hostWatchers.delete(this);
  }

  #updateAll(plan: DirectionPlan): void {
    this.#setAny(plan);
    let visited = 0;
    plan.visitRows((id, row) => {
      visited++;
      this.#set(id, row);
    });
    this.#context.work.rows += visited;
    if (visited === this.#rows.size) return;
    const kept = new Set<NumericIdentity>();
    plan.visitRows((id) => void kept.add(id));
    for (const id of [...this.#rows.keys()]) if (!kept.has(id)) this.#set(id, undefined);
  }

  #updateDirty(plan: DirectionPlan): void {
    const { peers, work } = this.#context;
    this.#setAny(plan);
    for (const id of this.#dirty) {
      const record = peers.get(id);
      const row = record && plan.rowFor(record);
      work.rows++;
      this.#set(id, row === plan.any ? undefined : row);
    }
  }

  #setAny(plan: DirectionPlan): void {
    if (this.#any === plan.any && this.#enforced === plan.enforced) return;
    this.#context.users.replace(this.#any, plan.any);
    this.#any = plan.any;
    this.#enforced = plan.enforced;
    this.#lent = undefined;
  }

  #set(id: NumericIdentity, row: PolicyRow | undefined): void {
    const before = this.#rows.get(id);
    if (before === row) return;
    if (this.#lent !== undefined) {
      this.#rows = new Map(this.#rows);
      this.#lent = undefined;
    }
    if (!this.#fresh && !this.#before.has(id)) this.#before.set(id, before);
    this.#context.users.replace(before, row);
    if (row === undefined) this.#rows.delete(id);
    else this.#rows.set(id, row);
  }

  #fail(error: unknown): void {
    if (!(error instanceof PolicyModelError)) throw error;
    this.error = error;
    for (const id of [...this.#rows.keys()]) this.#set(id, undefined);
    this.#context.users.replace(this.#any, undefined);
    this.#any = undefined;
    this.#lent = undefined;
  }
}

/** The plans to which it matters that a peer came or went. */
export function watchersOf({ identity, entries }: PeerRecord, context: TrackContext): Set<TrackedPlan> {
  const plans = new Set<TrackedPlan>();
  for (const entry of entries) for (const plan of context.watchers.get(entry) ?? []) plans.add(plan);
  if (identity.id === RESERVED.host) for (const plan of context.hostWatchers) plans.add(plan);
  if (hasNamedPorts(identity, context)) for (const plan of context.portWatchers) plans.add(plan);
  return plans;
}

const hasNamedPorts = ({ id }: Identity, { directory }: TrackContext): boolean => directory.namedPorts(id).length > 0;

/** Whether two plans say the same of those whom no selector chooses: then only the differing rules matter. */
function sameForEverybody(a: PlanRequest, b: PlanRequest): boolean {
  if (a.enforcement.kind !== b.enforcement.kind) return false;
  if (a.ports.length !== b.ports.length || a.ports.some((port, i) => JSON.stringify(port) !== JSON.stringify(b.ports[i]))) return false;
  const forEverybody = ({ rules }: PlanRequest) => rules.filter(({ anyTerms, namedAnyTerms }) => anyTerms.length > 0 || namedAnyTerms.length > 0);
  const [mine, theirs] = [forEverybody(a), forEverybody(b)];
  return mine.length === theirs.length && mine.every((rule, i) => rule === theirs[i]);
}

/** What is in one of the lists and not in the other. */
function differing<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  const [inA, inB] = [new Set(a), new Set(b)];
  return [...a.filter((item) => !inB.has(item)), ...b.filter((item) => !inA.has(item))];
}
