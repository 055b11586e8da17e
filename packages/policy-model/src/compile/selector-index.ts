import type { Cidr } from '@cilium-ts/core';
import type { LabelSet, PrefixTrie, Requirement, Selector } from '@cilium-ts/identity';
import { createPrefixTrie, parseCidrLabelKey } from '@cilium-ts/identity';
import { CLUSTER_KEY, NAMESPACE_KEY } from '../model/special-labels.ts';

/** Items filed under a label that their selector requires, so that for a set of labels only few need to be asked. */
export interface SelectorIndex<T> {
  add(selector: Selector, item: T): void;
  remove(selector: Selector, item: T): void;
  /** Calls `visit` once for every item whose selector might choose the labels. */
  candidates(labels: LabelSet, visit: (item: T) => void): void;
}

/** An empty index. */
export function createSelectorIndex<T>(): SelectorIndex<T> {
  const byText = new Map<string, Set<T>>();
  const byPrefix = createPrefixTrie<Set<T>>();
  const other = new Set<T>();
  return {
    add(selector, item) {
      const place = placeOf(selector);
      if (place === undefined) other.add(item);
      else if ('prefix' in place) getOrMake(byPrefix, place.prefix).add(item);
      else for (const text of place.texts) getOrMakeText(byText, text).add(item);
    },
    remove(selector, item) {
      const place = placeOf(selector);
      if (place === undefined) other.delete(item);
      else if ('prefix' in place) dropFrom(byPrefix, place.prefix, item);
      else for (const text of place.texts) dropFromText(byText, text, item);
    },
    candidates(labels, visit) {
      other.forEach(visit);
      for (const { key, value } of labels) {
        byText.get(`${key}=${value}`)?.forEach(visit);
        byText.get(key)?.forEach(visit);
      }
      if (byPrefix.size > 0) visitPrefixes(labels.prefixes, byPrefix, visit);
    },
  };
}

function visitPrefixes<T>(prefixes: readonly Cidr[], byPrefix: PrefixTrie<Set<T>>, visit: (item: T) => void): void {
  const [only] = prefixes;
  if (only === undefined) return;
  const sets = prefixes.length === 1 ? byPrefix.covering(only) : new Set(prefixes.flatMap((prefix) => byPrefix.covering(prefix)));
  for (const set of sets) set.forEach(visit);
}

/** Where a selector is filed: under labels (`key=value`), under a key, or under a prefix. */
type Place = { readonly texts: readonly string[] } | { readonly prefix: Cidr };

function placeOf({ requirements }: Selector): Place | undefined {
  const term = narrowest(requirements);
  if (term === undefined) return undefined;
  if (term.source === 'cidr') return { prefix: parseCidrLabelKey(term.key)! };
  return { texts: term.operator === 'Exists' ? [term.key] : term.values.map((value) => `${term.key}=${value}`) };
}

/** The term that narrows a selector most, as far as terms tell: a value, rather not that of namespace or cluster. */
function narrowest(requirements: readonly Requirement[]): Requirement | undefined {
  const required = requirements.filter(({ source, operator }) => operator === 'Exists' || (operator === 'In' && source !== 'cidr'));
  const rank = ({ source, operator, key }: Requirement): number => {
    if (source === 'cidr') return 0;
    if (key === CLUSTER_KEY) return 5;
    if (operator === 'Exists') return key === NAMESPACE_KEY ? 4 : 3;
    return key === NAMESPACE_KEY ? 2 : 1;
  };
  let best = required[0];
  for (const term of required) if (rank(term) < rank(best!)) best = term;
  return best;
}

/** The set at a prefix, made if it is missing. */
export function getOrMake<T>(trie: PrefixTrie<Set<T>>, prefix: Cidr): Set<T> {
  let set = trie.get(prefix);
  if (set === undefined) trie.set(prefix, (set = new Set()));
  return set;
}

/** The set under a text, made if it is missing. */
export function getOrMakeText<T>(map: Map<string, Set<T>>, text: string): Set<T> {
  let set = map.get(text);
  if (set === undefined) map.set(text, (set = new Set()));
  return set;
}

/** Takes an item from the set at a prefix, and the set with its last item. */
export function dropFrom<T>(trie: PrefixTrie<Set<T>>, prefix: Cidr, item: T): void {
  const set = trie.get(prefix);
  if (set?.delete(item) && set.size === 0) trie.delete(prefix);
}

/** Takes an item from the set under a text, and the set with its last item. */
export function dropFromText<T>(map: Map<string, Set<T>>, text: string, item: T): void {
  const set = map.get(text);
  if (set?.delete(item) && set.size === 0) map.delete(text);
}
