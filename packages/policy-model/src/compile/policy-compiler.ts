import type { Identity } from '@cilium-ts/identity';
import type { PolicyOptions } from '../model/options.ts';
import type { PolicyResource } from '../model/resource.ts';
import type { Direction } from '../model/rule.ts';
import type { CompiledDirection, CompiledPolicy } from './compiled-policy.ts';
import { compiledPolicy } from './compiled-policy.ts';
import type { DirectionPlan } from './direction-plan.ts';
import { createDirectionPlan } from './direction-plan.ts';
import { decideEnforcement } from './enforcement.ts';
import type { PreparedRule } from './prepared-rule.ts';
import { prepareRule } from './prepared-rule.ts';
import type { RowPool } from './row-pool.ts';
import type { SelectorCache, SelectorNumber } from './selector-cache.ts';
import { createSelectorCache } from './selector-cache.ts';

/** Where a compiler takes its resources from. */
export interface CompilerSource {
  readonly revision: number;
  resources(): Iterable<PolicyResource>;
}

/** Compiles policies under fixed options, keeping what it can between calls. */
export interface PolicyCompiler {
  compile(subject: Identity, identities: Iterable<Identity>): CompiledPolicy;
}

/** The rules of one revision, found by the selector of their endpoints. */
interface RuleBook {
  readonly revision: number;
  readonly bySubject: ReadonlyMap<SelectorNumber, readonly PreparedRule[]>;
  /** Plans by what selects the endpoint; endpoints with the same rules share them. */
  readonly plans: Map<string, { readonly ingress: DirectionPlan; readonly egress: DirectionPlan }>;
}

/** A compiler for a source whose resources are immutable and whose revision grows with every change. */
export function createPolicyCompiler(source: CompilerSource, rows: RowPool, options: PolicyOptions): PolicyCompiler {
  let selectors = createSelectorCache();
  let prepared = new WeakMap<PolicyResource, readonly PreparedRule[]>();
  let book: RuleBook | undefined;

  const prepare = (resource: PolicyResource): readonly PreparedRule[] => {
    let rules = prepared.get(resource);
    if (rules === undefined) {
      rules = resource.rules.map((rule) => prepareRule(rule, selectors, options));
      prepared.set(resource, rules);
    }
    return rules;
  };

  const openBook = (): RuleBook => {
    if (book?.revision === source.revision) return book;
    let rules = [...source.resources()].flatMap(prepare);
    if (selectors.size > 1024 + 2 * countSelectors(rules)) {
      // Most selectors belong to policies that are gone: start over with those in use.
      selectors = createSelectorCache();
      prepared = new WeakMap();
      rules = [...source.resources()].flatMap(prepare);
    }
    book = { revision: source.revision, bySubject: groupBySubject(rules), plans: new Map() };
    return book;
  };

  return {
    compile(subject, identities) {
      const plans = plansFor(subject, openBook(), { selectors, rows, options });
      const peers = [...identities];
      return compiledPolicy(compileDirection(plans.ingress, peers), compileDirection(plans.egress, peers));
    },
  };
}

function groupBySubject(rules: readonly PreparedRule[]): ReadonlyMap<SelectorNumber, readonly PreparedRule[]> {
  const groups = new Map<SelectorNumber, PreparedRule[]>();
  for (const rule of rules) {
    const group = groups.get(rule.subject);
    if (group === undefined) groups.set(rule.subject, [rule]);
    else group.push(rule);
  }
  return groups;
}

function countSelectors(rules: readonly PreparedRule[]): number {
  return new Set(rules.flatMap(({ subject, peers }) => [subject, ...peers])).size;
}

interface PlanContext {
  readonly selectors: SelectorCache;
  readonly rows: RowPool;
  readonly options: PolicyOptions;
}

function plansFor(subject: Identity, book: RuleBook, { selectors, rows, options }: PlanContext) {
  const numbers = selectors.matching(subject.labels).filter((number) => book.bySubject.has(number)).sort((a, b) => a - b);
  const special = `${subject.labels.has('reserved', 'host')} ${subject.labels.has('reserved', 'init')}`;
  const signature = `${special} ${numbers.join()}`;
  let plans = book.plans.get(signature);
  if (plans === undefined) {
    const rules = numbers.flatMap((number) => book.bySubject.get(number)!);
    const plan = (direction: Direction): DirectionPlan => {
      const own = rules.filter((rule) => rule.direction === direction);
      return createDirectionPlan({
        rules: own,
        enforcement: decideEnforcement(subject.labels, own, options),
        allowHost: direction === 'ingress' && options.allowLocalhost,
        selectors,
        rows,
        owner: () => `${direction} of ${subject.labels.toStrings().join(', ')} (identity ${subject.id})`,
      });
    };
    plans = { ingress: plan('ingress'), egress: plan('egress') };
    book.plans.set(signature, plans);
  }
  return plans;
}

function compileDirection(plan: DirectionPlan, peers: readonly Identity[]): CompiledDirection {
  const byIdentity: Map<Identity['id'], CompiledDirection['any']> = new Map();
  if (plan.enforced) {
    for (const peer of peers) {
      const row = plan.rowFor(peer);
      if (row !== plan.any) byIdentity.set(peer.id, row);
    }
  }
  return { enforced: plan.enforced, any: plan.any, byIdentity };
}
