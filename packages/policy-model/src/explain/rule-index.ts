import type { Cidr } from '@cilium-ts/core';
import type { LabelSet, Selector } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import type { CidrGroupPeer, Direction, Rule, Tier } from '../model/rule.ts';
import type { RuleReference } from './explanation.ts';
import type { PolicySource } from './policy-source.ts';
import { ruleReference } from './rule-reference.ts';

/** The rules of one direction that select an endpoint, tier by tier, in the order in which they are asked. */
export interface EndpointRules extends Readonly<Record<Tier, readonly Rule[]>> {
  /** Those that put the endpoint into default deny. */
  readonly closing: readonly RuleReference[];
}

/** The resources of one revision, found by what the rules are asked for. */
export interface RuleIndex {
  /** `strict`: without the rules of directions that a NetworkPolicy does not list. */
  rulesFor(labels: LabelSet, direction: Direction, strict: boolean): EndpointRules;
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
  const bySubject = new Map<string, SubjectRules>();
  for (const rule of resources.flatMap(({ rules }) => rules)) {
    places.set(rule, places.size);
    const entry = bySubject.get(rule.subject.text);
    if (entry === undefined) bySubject.set(rule.subject.text, { subject: rule.subject, rules: [rule] });
    else entry.rules.push(rule);
  }
  const buckets = fileByLabel([...bySubject.values()]);
  const memory = (): Map<string, EndpointRules> => new Map();
  const answers = { ingresstrue: memory(), ingressfalse: memory(), egresstrue: memory(), egressfalse: memory() };
  return {
    rulesFor(labels, direction, strict) {
      const cache = answers[`${direction}${strict}`];
      let answer = cache.get(labels.text);
      if (answer === undefined) {
        const entries = [...(buckets.get(undefined) ?? []), ...Array.from(labels, ({ key, value }) => buckets.get(`${key}=${value}`) ?? []).flat()];
        const rules = entries.flatMap((entry) => (selects(entry.subject, labels) ? entry.rules : []));
        answer = sortByTier(rules.filter((rule) => rule.direction === direction && !(strict && rule.unlisted === true)), places);
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

interface SubjectRules {
  readonly subject: Selector;
  readonly rules: Rule[];
}

/** Each subject under the rarest label that it requires, so that few need to be asked; those without one under `undefined`. */
function fileByLabel(subjects: readonly SubjectRules[]): ReadonlyMap<string | undefined, readonly SubjectRules[]> {
  const required = subjects.map(({ subject }) =>
    subject.requirements.flatMap(({ source, key, operator, values }) => (source !== 'cidr' && operator === 'In' && values.length === 1 ? [`${key}=${values[0]}`] : [])),
  );
  const counts = new Map<string, number>();
  for (const label of required.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const buckets = new Map<string | undefined, SubjectRules[]>();
  subjects.forEach((entry, i) => {
    const rarest = required[i]!.sort((a, b) => counts.get(a)! - counts.get(b)!)[0];
    const bucket = buckets.get(rarest);
    if (bucket === undefined) buckets.set(rarest, [entry]);
    else bucket.push(entry);
  });
  return buckets;
}

/** The node is chosen by node selectors alone, and those choose nothing else. */
function selects(subject: Selector, labels: LabelSet): boolean {
  const meansHost = subject.requirements.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && (operator === 'In' || operator === 'Exists'));
  return meansHost === labels.has('reserved', 'host') && selectorMatches(subject, labels);
}

function sortByTier(rules: readonly Rule[], places: ReadonlyMap<Rule, number>): EndpointRules {
  const byPlace = [...rules].sort((a, b) => places.get(a)! - places.get(b)!);
  const tier = (name: Tier): Rule[] => byPlace.filter((rule) => rule.tier === name);
  const normal = tier('normal');
  const closing = normal.filter(({ defaultDeny }) => defaultDeny).map((rule) => ruleReference(rule, rule.at));
  return { admin: tier('admin').sort(compareOrder), normal, baseline: tier('baseline').sort(compareOrder), closing };
}

function compareOrder(a: Rule, b: Rule): number {
  const [first, second] = [a.order ?? NO_ORDER, b.order ?? NO_ORDER];
  if (first.priority !== second.priority) return first.priority - second.priority;
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1;
  return first.index - second.index;
}

const NO_ORDER = { priority: 0, index: 0 };
