import type { Identity, LabelSet } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import type { Enforcement } from './enforcement.ts';
import type { PreparedRule } from './prepared-rule.ts';
import type { PolicyRow } from './row.ts';
import { ROW_POSITIONS } from './row.ts';
import type { RowPool } from './row-pool.ts';
import { sweepTerms } from './row-sweep.ts';
import type { RowTerm } from './row-term.ts';
import type { SelectorCache, SelectorNumber } from './selector-cache.ts';

/** The rows of one direction for every endpoint that the same rules select. */
export interface DirectionPlan {
  readonly enforced: boolean;
  /** The row of peers that no selector chooses. */
  readonly any: PolicyRow;
  rowFor(peer: Identity): PolicyRow;
}

/** What a plan is made of. */
export interface PlanInput {
  readonly rules: readonly PreparedRule[];
  readonly enforcement: Enforcement;
  /** Whether the node may always reach the endpoint; of ingress only. */
  readonly allowHost: boolean;
  readonly selectors: SelectorCache;
  readonly rows: RowPool;
  /** For whom, in errors. */
  readonly owner: () => string;
}

const everything = (namesPeer: boolean): RowTerm => ({ start: 0, end: ROW_POSITIONS - 1, action: 'allow', namesPeer });

/** A plan; its rows are computed when first asked for, once per set of selectors that choose a peer. */
export function createDirectionPlan(input: PlanInput): DirectionPlan {
  const { enforcement, rules, selectors, rows, owner } = input;
  if (enforcement.kind === 'off') {
    const open = rows.intern(sweepTerms([everything(false)]), owner);
    return { enforced: false, any: open, rowFor: () => open };
  }
  const anyTerms = rules.flatMap((rule) => rule.anyTerms);
  if (enforcement.kind === 'default-allow') anyTerms.push(everything(false));
  const bySelector = termsBySelector(rules);
  const bySignature = new Map<string, PolicyRow>();
  const byLabels = new WeakMap<LabelSet, PolicyRow>();

  const rowOf = (numbers: readonly SelectorNumber[], host: boolean): PolicyRow => {
    const signature = `${host ? 'h' : ''}${numbers.join()}`;
    let row = bySignature.get(signature);
    if (row === undefined) {
      const own = numbers.flatMap((number) => bySelector.get(number)!);
      row = rows.intern(sweepTerms([...anyTerms, ...own, ...(host ? [everything(true)] : [])]), owner);
      bySignature.set(signature, row);
    }
    return row;
  };
  return {
    enforced: true,
    any: rowOf([], false),
    rowFor({ id, labels }) {
      const host = input.allowHost && id === RESERVED.host;
      const known = host ? undefined : byLabels.get(labels);
      if (known !== undefined) return known;
      const matching = selectors.matching(labels).filter((number) => bySelector.has(number));
      const row = rowOf(matching.sort((a, b) => a - b), host);
      if (!host) byLabels.set(labels, row);
      return row;
    },
  };
}

function termsBySelector(rules: readonly PreparedRule[]): ReadonlyMap<SelectorNumber, RowTerm[]> {
  const terms = new Map<SelectorNumber, RowTerm[]>();
  for (const rule of rules) {
    for (const number of rule.peers) {
      const list = terms.get(number);
      if (list === undefined) terms.set(number, [...rule.peerTerms]);
      else list.push(...rule.peerTerms);
    }
  }
  return terms;
}
