import type { RowAction } from '../model/verdict.ts';
import type { MatchType, RowVerdict } from './row.ts';

const plain: Readonly<Record<RowAction, RowVerdict[]>> = { allow: [], deny: [], 'deny-default': [] };

/** The verdict of that action and match type and nothing else; always the same object. */
export function plainVerdict(action: RowAction, match: MatchType): RowVerdict {
  return (plain[action][match] ??= Object.freeze({ action, match }));
}

/** The content of a verdict in few letters; plain verdicts are a letter and a number. */
export function verdictText({ action, match, ruleSet, authentication, log }: RowVerdict): string {
  const letter = action === 'deny-default' ? 'n' : action === 'allow' ? 'a' : 'd';
  const proxy = ruleSet === undefined ? '' : `>${ruleSet.id}`;
  const peers = authentication === undefined ? '' : `!${authentication}`;
  return `${letter}${match}${proxy}${peers}${log === undefined ? '' : JSON.stringify(log)}`;
}

/** Makes verdicts with the same content the same object, for as long as somebody holds them. */
export interface VerdictPool {
  intern(verdict: RowVerdict): RowVerdict;
}

/** An empty pool. */
export function createVerdictPool(): VerdictPool {
  const known = new Map<string, WeakRef<RowVerdict>>();
  let sweepAt = 256;
  return {
    intern(verdict) {
      const { ruleSet, authentication, log } = verdict;
      if (ruleSet === undefined && authentication === undefined && log === undefined) return plainVerdict(verdict.action, verdict.match);
      const key = verdictText(verdict);
      const same = known.get(key)?.deref();
      if (same !== undefined) return same;
      known.set(key, new WeakRef(Object.freeze(verdict)));
      if (known.size >= sweepAt) {
        for (const [text, reference] of known) if (reference.deref() === undefined) known.delete(text);
        sweepAt = Math.max(256, known.size * 2);
      }
      return verdict;
    },
  };
}
