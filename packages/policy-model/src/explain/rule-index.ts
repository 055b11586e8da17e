import type { Cidr } from '@cilium-ts/core';
import type { LabelSet, Selector } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import type { CidrGroupPeer, Direction, Rule, Tier } from '../model/rule.ts';
import type { PolicySource } from './policy-source.ts';

/** The rules of one direction that select an endpoint, tier by tier, in the order in which they are asked. */
export type EndpointRules = Readonly<Record<Tier, readonly Rule[]>>;

/** The resources of one revision, found by what the rules are asked for. */
export interface RuleIndex {
  rulesFor(labels: LabelSet, direction: Direction): EndpointRules;
  /** Prefixes of CiliumCIDRGroup objects. */
  groupPrefixes(group: CidrGroupPeer['group']): readonly Cidr[];
}

const indexes = new WeakMap<PolicySource, { readonly revision: number; readonly index: RuleIndex }>();
/** Answers remembered within a revision; one holds a few references. */
const MAX_ANSWERS = 65_536;

/** The index of what the source holds now. Made once per revision. */
export function ruleIndex(source: PolicySource): RuleIndex {
  const known = indexes.get(source);
  if (known?.revision === source.revision) return known.index;
  const index = createRuleIndex(source);
  indexes.set(source, { revision: source.revision, index });
  return index;
}

function createRuleIndex(source: PolicySource): RuleIndex {
  const resources = source.all();
  const places = new Map<Rule, number>();
  const bySubject = new Map<string, { readonly subject: Selector; readonly rules: Rule[] }>();
  for (const rule of resources.flatMap(({ rules }) => rules)) {
    places.set(rule, places.size);
    const key = `${rule.direction} ${rule.subject.text}`;
    const entry = bySubject.get(key);
    if (entry === undefined) bySubject.set(key, { subject: rule.subject, rules: [rule] });
    else entry.rules.push(rule);
  }
  const subjects = { ingress: ofDirection('ingress', bySubject.values()), egress: ofDirection('egress', bySubject.values()) };
  const answers = { ingress: new Map<string, EndpointRules>(), egress: new Map<string, EndpointRules>() };
  return {
    rulesFor(labels, direction) {
      const cache = answers[direction];
      let answer = cache.get(labels.text);
      if (answer === undefined) {
        const rules = subjects[direction].flatMap((entry) => (selects(entry.subject, labels) ? entry.rules : []));
        answer = sortByTier(rules, places);
        if (cache.size >= MAX_ANSWERS) cache.clear();
        cache.set(labels.text, answer);
      }
      return answer;
    },
    groupPrefixes: (group) =>
      resources.flatMap(({ name, group: content }) => {
        if (content === undefined) return [];
        const meant = 'name' in group ? group.name === name : selectorMatches(group.selector, content.labels);
        return meant ? content.prefixes : [];
      }),
  };
}

function ofDirection<T extends { readonly rules: readonly Rule[] }>(direction: Direction, entries: Iterable<T>): readonly T[] {
  return [...entries].filter(({ rules }) => rules[0]!.direction === direction);
}

/** The node is chosen by node selectors alone, and those choose nothing else. */
function selects(subject: Selector, labels: LabelSet): boolean {
  const meansHost = subject.requirements.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && (operator === 'In' || operator === 'Exists'));
  return meansHost === labels.has('reserved', 'host') && selectorMatches(subject, labels);
}

function sortByTier(rules: readonly Rule[], places: ReadonlyMap<Rule, number>): EndpointRules {
  const byPlace = [...rules].sort((a, b) => places.get(a)! - places.get(b)!);
  const tier = (name: Tier): Rule[] => byPlace.filter((rule) => rule.tier === name);
  return { admin: tier('admin').sort(compareOrder), normal: tier('normal'), baseline: tier('baseline').sort(compareOrder) };
}

function compareOrder(a: Rule, b: Rule): number {
  const [first, second] = [a.order ?? NO_ORDER, b.order ?? NO_ORDER];
  if (first.priority !== second.priority) return first.priority - second.priority;
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1;
  return first.index - second.index;
}

const NO_ORDER = { priority: 0, index: 0 };
