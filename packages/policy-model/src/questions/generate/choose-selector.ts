import type { Workload } from './workload.ts';

/** A term of a selector that is written: the label has one of these values, or, without values, is not there. */
export interface ChosenTerm {
  readonly key: string;
  readonly values: readonly string[];
}

/** Keys that people name workloads by, best first; then those that say little about what it is. */
const PREFERRED = ['app.kubernetes.io/name', 'app', 'k8s-app', 'name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'component', 'role', 'tier'];
const AVOIDED = /version|release|revision|chart|managed-by|part-of|created-by|heritage|serviceaccount|track|hash/;

function rank(key: string): number {
  const index = PREFERRED.indexOf(key);
  if (index >= 0) return index;
  return AVOIDED.test(key) ? PREFERRED.length + 1 : PREFERRED.length;
}

const byRank = (a: string, b: string): number => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);

/** The label that the workload would be called by. */
export function mainLabel({ labels }: Workload): string | undefined {
  return [...labels.keys()].sort(byRank)[0];
}

function matches({ key, values }: ChosenTerm, { labels }: Workload): boolean {
  const value = labels.get(key);
  return values.length === 0 ? value === undefined : value !== undefined && values.includes(value);
}

/**
 * As few terms as it takes to select all of the members and none of the others, the label that people would use first
 * among them; `undefined` where no conjunction of terms tells them apart, which cannot happen for a single member.
 */
export function chooseSelector(members: readonly Workload[], others: readonly Workload[]): readonly ChosenTerm[] | undefined {
  const candidates = candidateTerms(members, others);
  const main = candidates.find(({ values }) => values.length > 0);
  const chosen: ChosenTerm[] = main === undefined ? [] : [main];
  let left = others.filter((other) => chosen.every((term) => matches(term, other)));
  while (left.length > 0) {
    let best: { term: ChosenTerm; left: Workload[] } | undefined;
    for (const term of candidates) {
      const remaining = left.filter((other) => matches(term, other));
      // The first of those that leave the fewest: candidates are in order of preference.
      if (remaining.length < (best?.left.length ?? left.length)) best = { term, left: remaining };
    }
    if (best === undefined) return undefined;
    chosen.push(best.term);
    left = best.left;
  }
  return withoutNeedless(chosen, main, others).sort((a, b) => byRank(a.key, b.key));
}

/** Terms that all members meet: one value, then several, then a label that is not there; by preference of the key. */
function candidateTerms(members: readonly Workload[], others: readonly Workload[]): ChosenTerm[] {
  const keys = [...new Set([...members, ...others].flatMap(({ labels }) => [...labels.keys()]))].sort(byRank);
  const terms = keys.flatMap((key): ChosenTerm[] => {
    const values = members.map(({ labels }) => labels.get(key));
    const present = values.filter((value) => value !== undefined);
    if (present.length === 0) return [{ key, values: [] }];
    return present.length === members.length ? [{ key, values: [...new Set(present)].sort() }] : [];
  });
  const weight = ({ values }: ChosenTerm): number => (values.length === 0 ? 1000 : values.length);
  return terms.sort((a, b) => Math.sign(weight(a) - 1) - Math.sign(weight(b) - 1) || (weight(a) > 999 ? 1 : 0) - (weight(b) > 999 ? 1 : 0) || byRank(a.key, b.key));
}

function withoutNeedless(chosen: readonly ChosenTerm[], main: ChosenTerm | undefined, others: readonly Workload[]): ChosenTerm[] {
  let kept = [...chosen];
  for (const term of chosen) {
    if (term === main) continue;
    const rest = kept.filter((other) => other !== term);
    if (!others.some((other) => rest.every((one) => matches(one, other)))) kept = rest;
  }
  return kept;
}
