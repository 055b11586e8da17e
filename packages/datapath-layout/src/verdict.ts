import { MATCH_TYPE, VERDICT_ACTION } from './generated/enums.ts';

/** Action codes of verdict words, by the names that policy-model uses. */
export const VERDICT_ACTIONS = {
  'deny-default': VERDICT_ACTION.DENY_DEFAULT,
  allow: VERDICT_ACTION.ALLOW,
  deny: VERDICT_ACTION.DENY,
} as const;

/** The name of an action. */
export type VerdictActionName = keyof typeof VERDICT_ACTIONS | 'no-policy';

/** What a verdict word of cilium_rows or an event says. */
export interface DecodedVerdict {
  readonly action: VerdictActionName;
  /** 0–6, see MATCH_TYPE_NAMES. */
  readonly match: number;
  /** What decided, as Cilium's monitor writes it. */
  readonly matchName: string;
  /** 0: none. */
  readonly proxyPort: number;
}

/** Names of the match types, as Cilium's monitor prints them. */
export const MATCH_TYPE_NAMES: Readonly<Record<number, string>> = {
  [MATCH_TYPE.NONE]: 'none',
  [MATCH_TYPE.L3_ONLY]: 'L3-Only',
  [MATCH_TYPE.L3_L4]: 'L3-L4',
  [MATCH_TYPE.L4_ONLY]: 'L4-Only',
  [MATCH_TYPE.ALL]: 'all',
  [MATCH_TYPE.L3_PROTO]: 'L3-Proto',
  [MATCH_TYPE.PROTO_ONLY]: 'Proto-Only',
};

/** Takes a verdict word apart: action in bits 0–7, match type in 8–15, proxy port in 16–31. */
export function decodeVerdict(word: number): DecodedVerdict {
  const code = word & 0xff;
  const match = (word >>> 8) & 0xff;
  const named = (Object.keys(VERDICT_ACTIONS) as (keyof typeof VERDICT_ACTIONS)[]).find((name) => VERDICT_ACTIONS[name] === code);
  return { action: named ?? 'no-policy', match, matchName: MATCH_TYPE_NAMES[match] ?? `match-${match}`, proxyPort: word >>> 16 };
}
