import type { LabelSet, Requirement, Selector } from '@cilium-ts/identity';
import { createPrefixTrie, parseCidrLabelKey } from '@cilium-ts/identity';
import { dropFrom, dropFromText, getOrMake, getOrMakeText } from './selector-index.ts';

/** Items by their labels, so that for a selector only few need to be asked. */
export interface LabelIndex<T> {
  add(labels: LabelSet, item: T): void;
  remove(labels: LabelSet, item: T): void;
  /** Calls `visit` for every item that the selector might choose; for some more than once. */
  candidates(selector: Selector, visit: (item: T) => void): void;
}

/** An empty index. */
export function createLabelIndex<T>(): LabelIndex<T> {
  /** By key, then by value. */
  const byLabel = new Map<string, Map<string, Set<T>>>();
  const byPrefix = createPrefixTrie<Set<T>>();
  const all = new Set<T>();
  /** The sets that hold every item that meets the term, or `undefined` where that can not be told. */
  const setsFor = ({ source, key, operator, values }: Requirement): readonly Set<T>[] | undefined => {
    if (source === 'cidr') return operator === 'Exists' ? byPrefix.within(parseCidrLabelKey(key)!) : undefined;
    // A term of another source that means the key of a `cidr:` label: those are not among the texts.
    if (operator === 'NotIn' || operator === 'DoesNotExist' || parseCidrLabelKey(key) !== undefined) return undefined;
    const byValue = byLabel.get(key);
    if (byValue === undefined) return [];
    return operator === 'Exists' ? [...byValue.values()] : known(values.map((value) => byValue.get(value)));
  };
  return {
    add(labels, item) {
      all.add(item);
      for (const { source, key, value } of labels) {
        // Those are looked for by prefix alone.
        if (source === 'cidr') continue;
        let byValue = byLabel.get(key);
        if (byValue === undefined) byLabel.set(key, (byValue = new Map()));
        getOrMakeText(byValue, value).add(item);
      }
      for (const prefix of labels.prefixes) getOrMake(byPrefix, prefix).add(item);
    },
    remove(labels, item) {
      all.delete(item);
      for (const { source, key, value } of labels) {
        if (source === 'cidr') continue;
        const byValue = byLabel.get(key);
        if (byValue === undefined) continue;
        dropFromText(byValue, value, item);
        if (byValue.size === 0) byLabel.delete(key);
      }
      for (const prefix of labels.prefixes) dropFrom(byPrefix, prefix, item);
    },
    candidates({ requirements }, visit) {
      let best: readonly Set<T>[] = [all];
      let least = all.size;
      for (const term of requirements) {
        const sets = setsFor(term);
        const count = sets?.reduce((sum, { size }) => sum + size, 0) ?? Infinity;
        if (count < least) [best, least] = [sets!, count];
        // What a prefix holds is exact, and looking for more costs more.
        if (term.source === 'cidr' && sets !== undefined) break;
      }
      for (const set of best) set.forEach((item) => visit(item));
    },
  };
}

const known = <T>(sets: readonly (T | undefined)[]): readonly T[] => sets.filter((set) => set !== undefined);
