import type { LabelSet, Requirement, Selector } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import { NAMESPACE_KEY, CLUSTER_KEY } from '../model/special-labels.ts';

/** Number of a selector within its cache. */
export type SelectorNumber = number;

/**
 * Remembers which selectors choose which labels. Selectors and sets of labels may both be added at any time; only what
 * was not answered before is evaluated, and for a set of labels only selectors that name one of its labels.
 */
export interface SelectorCache {
  /** The number of the selector, the same for the same text. */
  add(selector: Selector): SelectorNumber;
  /** Numbers of every added selector that chooses the labels, in no particular order. */
  matching(labels: LabelSet): readonly SelectorNumber[];
  /** How many evaluations were made, for tests of the caching. */
  readonly evaluations: number;
  /** How many selectors were added. */
  readonly size: number;
}

interface Answer {
  /** Selectors with lower numbers have been evaluated. */
  upTo: number;
  readonly matched: SelectorNumber[];
}

/** Answers kept beyond those in use; when as many have gathered again, all are dropped. */
const MAX_IDLE_ANSWERS = 65536;

/** An empty cache. */
export function createSelectorCache(): SelectorCache {
  const selectors: Selector[] = [];
  const numbers = new Map<string, SelectorNumber>();
  const index = createIndex();
  const answers = new Map<string, Answer>();
  let evaluations = 0;

  const evaluate = (answer: Answer, labels: LabelSet): void => {
    for (const number of index.candidates(labels, answer.upTo)) {
      evaluations++;
      if (selectorMatches(selectors[number]!, labels)) answer.matched.push(number);
    }
    answer.upTo = selectors.length;
  };

  return {
    get evaluations() {
      return evaluations;
    },
    get size() {
      return selectors.length;
    },
    add(selector) {
      const known = numbers.get(selector.text);
      if (known !== undefined) return known;
      const number = selectors.push(selector) - 1;
      numbers.set(selector.text, number);
      index.add(selector, number);
      return number;
    },
    matching(labels) {
      let answer = answers.get(labels.text);
      if (answer === undefined) {
        if (answers.size >= MAX_IDLE_ANSWERS) answers.clear();
        answer = { upTo: 0, matched: [] };
        answers.set(labels.text, answer);
      }
      if (answer.upTo < selectors.length) evaluate(answer, labels);
      return answer.matched;
    },
  };
}

interface SelectorIndex {
  add(selector: Selector, number: SelectorNumber): void;
  /** Selectors from `from` on that might choose the labels. Numbers within a bucket ascend. */
  candidates(labels: LabelSet, from: SelectorNumber): Iterable<SelectorNumber>;
}

/** Files each selector under one label that it requires, so that only sets with that label need to be asked. */
function createIndex(): SelectorIndex {
  const byLabel = new Map<string, SelectorNumber[]>();
  const byPrefix: SelectorNumber[] = [];
  const other: SelectorNumber[] = [];
  const file = (bucket: string, number: SelectorNumber): void => {
    const list = byLabel.get(bucket);
    if (list === undefined) byLabel.set(bucket, [number]);
    else list.push(number);
  };
  return {
    add(selector, number) {
      const term = indexTerm(selector);
      if (term === undefined) other.push(number);
      else if (term.source === 'cidr') byPrefix.push(number);
      else for (const value of new Set(term.values)) file(`${term.key}=${value}`, number);
    },
    *candidates(labels, from) {
      yield* tail(other, from);
      if (labels.prefixes.length > 0) yield* tail(byPrefix, from);
      for (const { key, value } of labels) yield* tail(byLabel.get(`${key}=${value}`) ?? [], from);
    },
  };
}

/** The term that narrows a selector most: an equality, rather on something else than namespace or cluster. */
function indexTerm(selector: Selector): Requirement | undefined {
  const required = selector.requirements.filter(({ source, operator }) =>
    source === 'cidr' ? operator === 'Exists' || operator === 'In' : operator === 'In',
  );
  return (
    required.find(({ key }) => key !== NAMESPACE_KEY && key !== CLUSTER_KEY) ??
    required.find(({ key }) => key === NAMESPACE_KEY) ??
    required[0]
  );
}

function* tail(numbers: readonly SelectorNumber[], from: SelectorNumber): Iterable<SelectorNumber> {
  if (numbers.length === 0 || numbers.at(-1)! < from) return;
  let first = numbers.length;
  while (first > 0 && numbers[first - 1]! >= from) first--;
  for (let i = first; i < numbers.length; i++) yield numbers[i]!;
}
