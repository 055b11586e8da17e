import type { Cidr } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import type { Requirement } from '@cilium-ts/identity';
import { parseCidrLabelKey, selector } from '@cilium-ts/identity';
import { matchesFqdn } from '../../fqdn/match-fqdn.ts';
import { NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../../model/special-labels.ts';

/** Terms that must all hold; those of a peer, a prefix, a name alike. */
export type Terms = readonly Requirement[];

/** What the terms say about one key. */
interface KeyFacts {
  present: boolean;
  /** Source that the label must have; `any` where no term says. */
  source: string;
  /** Values that it may have; `undefined` where no term says. */
  values: Set<string> | undefined;
  /** Sources that it must not have; `any` stands for all. */
  readonly absent: Set<string>;
  /** Values that it must not have, by source. */
  readonly notIn: Map<string, Set<string>>;
  /** Positive terms of two sources, which no label has. */
  clash: string | undefined;
}

/** Lists of terms are compared with many others, and never change. */
const known = new WeakMap<Terms, ReadonlyMap<string, KeyFacts>>();

function factsOf(terms: Terms): ReadonlyMap<string, KeyFacts> {
  let facts = known.get(terms);
  if (facts === undefined) known.set(terms, (facts = gatherFacts(terms)));
  return facts;
}

function gatherFacts(terms: Terms): Map<string, KeyFacts> {
  const facts = new Map<string, KeyFacts>();
  for (const { source, key, operator, values } of terms) {
    let fact = facts.get(key);
    if (fact === undefined) {
      fact = { present: false, source: 'any', values: undefined, absent: new Set(), notIn: new Map(), clash: undefined };
      facts.set(key, fact);
    }
    if (operator === 'DoesNotExist') fact.absent.add(source);
    else if (operator === 'NotIn') fact.notIn.set(source, new Set([...(fact.notIn.get(source) ?? []), ...values]));
    else {
      fact.present = true;
      if (source !== 'any' && fact.source !== 'any' && fact.source !== source) fact.clash = `${fact.source}:${key} and ${source}:${key}`;
      if (source !== 'any') fact.source = source;
      if (operator === 'In') fact.values = new Set(fact.values === undefined ? values : values.filter((value) => fact.values!.has(value)));
    }
  }
  return facts;
}

/** Why no labels can meet all of the terms, or `undefined` where some can. */
export function contradiction(terms: Terms): string | undefined {
  const facts = factsOf(terms);
  for (const [key, fact] of facts) {
    if (fact.clash !== undefined) return `${fact.clash} cannot both be there: a key has one source`;
    if (!fact.present) continue;
    const written = (): string => selector(terms.filter((one) => one.key === key)).text;
    if (fact.absent.has('any') || fact.absent.has(fact.source)) return `${written()}: the label must and must not be there`;
    if (fact.values === undefined) continue;
    const forbidden = [fact.notIn.get('any'), fact.source === 'any' ? undefined : fact.notIn.get(fact.source)];
    const left = [...fact.values].filter((value) => !forbidden.some((values) => values?.has(value)));
    if (left.length === 0) return `${written()}: no value meets all of it`;
  }
  return namespaceContradiction(terms, facts);
}

function namespaceContradiction(terms: Terms, facts: ReadonlyMap<string, KeyFacts>): string | undefined {
  const namespace = facts.get(NAMESPACE_KEY);
  if (namespace?.present !== true) return undefined;
  const reserved = terms.find(({ source, operator }) => source === 'reserved' && (operator === 'Exists' || operator === 'In'));
  if (reserved !== undefined) return `what is reserved:${reserved.key} is in no namespace`;
  const named = facts.get(`${NAMESPACE_LABELS_PREFIX}kubernetes.io/metadata.name`)?.values;
  if (named === undefined || namespace.values === undefined) return undefined;
  if ([...named].some((name) => namespace.values!.has(name))) return undefined;
  return `the namespace must be ${[...namespace.values].join(' or ')} and be called ${[...named].join(' or ')}`;
}

/** Whether labels can meet both. */
export function mayOverlap(a: Terms, b: Terms): boolean {
  const others = factsOf(b);
  for (const [key, { values }] of factsOf(a)) {
    const wanted = values === undefined ? undefined : others.get(key)?.values;
    // What most pairs differ in.
    if (wanted !== undefined && ![...values!].some((value) => wanted.has(value))) return false;
  }
  return contradiction([...a, ...b]) === undefined;
}

/** Whether all labels that meet `inner` meet `outer`. Never wrongly true; false where it cannot be told. */
export function implies(inner: Terms, outer: Terms): boolean {
  if (outer.length === 0) return true;
  const facts = factsOf(inner);
  return outer.every((term) => {
    if (term.source === 'cidr') return impliesPrefix(inner, term);
    if (term.source === 'fqdn') return impliesName(inner, term);
    return impliesTerm(facts.get(term.key), term);
  });
}

function impliesTerm(fact: KeyFacts | undefined, { source, operator, values }: Requirement): boolean {
  if (fact === undefined) return false;
  const fromThere = fact.present && (source === 'any' || fact.source === source);
  const fromElsewhere = fact.present && source !== 'any' && fact.source !== 'any' && fact.source !== source;
  const absent = fact.absent.has('any') || (source !== 'any' && fact.absent.has(source)) || fromElsewhere;
  if (operator === 'Exists') return fromThere;
  if (operator === 'In') return fromThere && fact.values !== undefined && [...fact.values].every((value) => values.includes(value));
  if (operator === 'DoesNotExist') return absent;
  if (absent) return true;
  if (fact.values !== undefined && ![...fact.values].some((value) => values.includes(value))) return true;
  return values.every((value) => fact.notIn.get('any')?.has(value) === true || fact.notIn.get(source)?.has(value) === true);
}

function impliesPrefix(inner: Terms, { key, operator }: Requirement): boolean {
  const outer = parseCidrLabelKey(key);
  if (outer === undefined) return false;
  const prefixes = inner.filter(({ source }) => source === 'cidr').map((term) => ({ ...term, prefix: parseCidrLabelKey(term.key)! }));
  const there = prefixes.filter((term) => term.operator === 'Exists');
  if (operator === 'Exists') return there.some(({ prefix }) => cidrContains(outer, prefix));
  if (there.some(({ prefix }) => disjoint(prefix, outer))) return true;
  return prefixes.some((term) => term.operator === 'DoesNotExist' && cidrContains(term.prefix, outer));
}

/** An address that a name led to has the labels of every pattern that means the name. */
function impliesName(inner: Terms, { key, operator }: Requirement): boolean {
  if (operator !== 'Exists') return false;
  return inner.some(({ source, key: name, operator: given }) => {
    if (source !== 'fqdn' || given !== 'Exists') return false;
    return name === key || /^\*+\.?$/.test(key) || (!name.includes('*') && matchesFqdn({ pattern: key }, name));
  });
}

/** Labels one of which everybody who meets the terms has: of the key that tells most, by what `common` says of keys. */
export function anchorsOf(terms: Terms, common: (key: string) => boolean): string[] | undefined {
  const listed = [...factsOf(terms)].filter(([, { values }]) => values !== undefined);
  const anchor = listed.find(([key]) => !common(key)) ?? listed[0];
  return anchor === undefined ? undefined : [...anchor[1].values!].map((value) => `${anchor[0]}=${value}`);
}

/** For each key whose values the terms list, one of them. */
export function samplesOf(terms: Terms): string[] {
  return [...factsOf(terms)].flatMap(([key, { values }]) => (values === undefined || values.size === 0 ? [] : [`${key}=${[...values][0]!}`]));
}

/** Whether no address is in both. */
export function disjoint(a: Cidr, b: Cidr): boolean {
  return !cidrContains(a, b) && !cidrContains(b, a);
}
