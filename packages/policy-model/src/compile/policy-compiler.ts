import type { Identity } from '@cilium-ts/identity';
import type { NamedPort } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import { labelsUnder } from './by-address.ts';
import type { CompiledPolicy } from './compiled-policy.ts';
import { compiledPolicy } from './compiled-policy.ts';
import type { DirectionPlan, Pools } from './direction-plan.ts';
import type { PeerIndex } from './peer-index.ts';
import { createPeerIndex } from './peer-index.ts';
import type { PreparedRule } from './prepared-rule.ts';
import type { RuleBook, RuleSource } from './rule-book.ts';
import { createRuleBook } from './rule-book.ts';
import type { PlanContext, PlanRequest, SelectedSubject } from './subject-plans.ts';
import { makePlan, planRequest } from './subject-plans.ts';

/** What endpoints of one identity may have of their own. */
export interface SubjectDetails {
  /** Ports that their containers have named; absent: what the directory knows of the identity. */
  readonly namedPorts?: readonly NamedPort[];
}

/** A subject's rules, merged and sorted, before they are held against identities. */
export interface ResolvedPolicy {
  /** How many rules select the subject. */
  readonly rules: number;
  /** The policy towards the identities that it was resolved with. Throws PolicyModelError `row-too-large`. */
  distil(): CompiledPolicy;
}

/** Compiles policies under fixed options, keeping what it can between calls. */
export interface PolicyCompiler {
  /** Throws PolicyModelError `row-too-large`, `l7-conflict`. */
  compile(subject: Identity, identities: Iterable<Identity>, details?: SubjectDetails): CompiledPolicy;
  /**
   * The first half of `compile`: finds the rules, sorts what they say, and looks up whom they mean. The result is good
   * until the compiler is used with other identities or rules.
   */
  resolve(subject: Identity, identities: Iterable<Identity>, details?: SubjectDetails): ResolvedPolicy;
}

interface KnownPlan {
  readonly rules: readonly PreparedRule[];
  readonly plan: DirectionPlan;
}

/** Plans remembered; when as many have gathered, all are dropped. */
const MAX_PLANS = 4096;

/** A compiler for a source whose resources are immutable and whose revision grows with every change. */
export function createPolicyCompiler(source: RuleSource, pools: Pools, options: PolicyOptions): PolicyCompiler {
  const peers = createPeerIndex(labelsUnder(options));
  const book = createRuleBook(source, options);
  const plans = new Map<string, KnownPlan>();
  const context: PlanContext = { options, peers, directory: source.directory, pools };
  const setIdentities = identitiesOf(peers);

  const resolve = (subject: Identity, identities: Iterable<Identity>, { namedPorts }: SubjectDetails = {}): ResolvedPolicy => {
    setIdentities(identities);
    forgetPlans(plans, book);
    const selected: SelectedSubject = { subject, rules: book.select(subject.labels), namedPorts };
    const ingress = planFor(plans, planRequest('ingress', selected, context), context);
    const egress = planFor(plans, planRequest('egress', selected, context), context);
    return { rules: selected.rules.length, distil: () => compiledPolicy(ingress.compiled(), egress.compiled()) };
  };
  return { resolve, compile: (subject, identities, details) => resolve(subject, identities, details).distil() };
}

/** Catches up with the rules, and drops the plans that were made of rules that are gone. */
function forgetPlans(plans: Map<string, KnownPlan>, book: RuleBook): void {
  const removed = new Set(book.sync().removed);
  const all = plans.size >= MAX_PLANS;
  if (removed.size === 0 && !all) return;
  for (const [key, { rules, plan }] of plans) {
    if (!all && !rules.some((rule) => removed.has(rule))) continue;
    plan.close();
    plans.delete(key);
  }
}

function planFor(plans: Map<string, KnownPlan>, request: PlanRequest, context: PlanContext): DirectionPlan {
  let known = plans.get(request.key);
  if (known === undefined) plans.set(request.key, (known = { rules: request.rules, plan: makePlan(request, context) }));
  return known.plan;
}

/** Makes an index hold exactly the given identities. Lists that follow one another are mostly the same. */
function identitiesOf(peers: PeerIndex): (identities: Iterable<Identity>) => void {
  let last: readonly Identity[] = [];
  return (identities) => {
    const list = [...identities];
    if (list.length === last.length && list.every((identity, i) => identity === last[i])) return;
    const wanted = new Set(list.map(({ id }) => id));
    for (const { id } of last) if (!wanted.has(id)) peers.remove(id);
    for (const identity of list) peers.add(identity);
    last = list;
  };
}
