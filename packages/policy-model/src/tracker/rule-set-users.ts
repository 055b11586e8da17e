import type { PolicyRow } from '../compile/row.ts';
import type { RuleSet } from '../model/rule-set.ts';

/** Counts who uses which rule set. */
export interface RuleSetUsers {
  /** A place that had the one row has the other now. */
  replace(before: PolicyRow | undefined, after: PolicyRow | undefined): void;
  /** Those in use now and not at the last call, and the other way round; by ascending id. */
  take(): { readonly appeared: readonly RuleSet[]; readonly gone: readonly RuleSet[] };
}

/** No users. */
export function createRuleSetUsers(): RuleSetUsers {
  const users = new Map<RuleSet, number>();
  const touched = new Set<RuleSet>();
  const told = new Set<RuleSet>();
  const count = (row: PolicyRow | undefined, by: 1 | -1): void => {
    for (const ruleSet of row?.ruleSets ?? []) {
      const now = (users.get(ruleSet) ?? 0) + by;
      if (now === 0) users.delete(ruleSet);
      else users.set(ruleSet, now);
      touched.add(ruleSet);
    }
  };
  return {
    replace(before, after) {
      count(after, 1);
      count(before, -1);
    },
    take() {
      const changed = [...touched].filter((ruleSet) => users.has(ruleSet) !== told.has(ruleSet)).sort((a, b) => (a.id < b.id ? -1 : 1));
      touched.clear();
      const appeared = changed.filter((ruleSet) => users.has(ruleSet));
      const gone = changed.filter((ruleSet) => !users.has(ruleSet));
      for (const ruleSet of appeared) told.add(ruleSet);
      for (const ruleSet of gone) told.delete(ruleSet);
      return { appeared, gone };
    },
  };
}
