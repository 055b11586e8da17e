import type { L7Rules, ProxyRules } from '../model/l7.ts';
import type { RuleSet } from '../model/rule-set.ts';
import { canonicalText } from './canonical-text.ts';
import { contentHash } from './content-hash.ts';
import type { ParserChoice } from './proxy-parser.ts';
import { parserOf } from './proxy-parser.ts';

/** Makes rule sets with the same content the same object, for as long as somebody holds them. */
export interface RuleSetPool {
  /**
   * The rule set of the port rules that cover a connection, all of which ask for the `winner`, in order of precedence.
   * `open` says that everything passes besides: something allows the connection without asking for a proxy.
   */
  intern(rules: readonly ProxyRules[], winner: ParserChoice, open: boolean): RuleSet;
}

/** An empty pool. */
export function createRuleSetPool(): RuleSetPool {
  const known = new Map<string, WeakRef<RuleSet>>();
  let sweepAt = 256;
  return {
    intern(rules, winner, open) {
      const content = contentOf(rules, winner, open);
      const text = canonicalText(content);
      const same = known.get(text)?.deref();
      if (same !== undefined) return same;
      const made: RuleSet = Object.freeze({ id: contentHash(text), ...content });
      known.set(text, new WeakRef(made));
      if (known.size >= sweepAt) {
        for (const [key, reference] of known) if (reference.deref() === undefined) known.delete(key);
        sweepAt = Math.max(256, known.size * 2);
      }
      return made;
    },
  };
}

function contentOf(rules: readonly ProxyRules[], { parser }: ParserChoice, open: boolean): Omit<RuleSet, 'id'> {
  const { listener } = rules[0]!;
  const l7 = parser === 'listener' || parser === 'tls' ? undefined : unitedRules(rules.flatMap((rule) => rule.l7 ?? []), open);
  const names = open || rules.some(({ serverNames }) => serverNames === undefined) ? undefined : rules.flatMap(({ serverNames }) => serverNames!);
  const terminating = rules.find((rule) => rule.terminatingTls !== undefined)?.terminatingTls;
  const originating = rules.find((rule) => rule.originatingTls !== undefined)?.originatingTls;
  const tls = { ...(terminating && { terminating }), ...(originating && { originating }) };
  return {
    parser,
    ...(l7 && { rules: l7 }),
    ...(names && { serverNames: [...new Set(names)].sort() }),
    ...(parser === 'listener' && listener && { listener }),
    ...((terminating ?? originating) && { tls }),
  };
}

/** What lets everything pass, by kind of rules. */
const EVERYTHING = { http: {}, kafka: { apiKeys: [] }, dns: { pattern: '*' }, generic: {} } as const;

/** The rules of all, the one that lets everything pass among them where one has no rules or something is open. */
function unitedRules(parts: readonly L7Rules[], open: boolean): L7Rules {
  const [first] = parts as readonly [L7Rules];
  const wildcard = open || parts.some(({ rules }) => rules.length === 0) ? [EVERYTHING[first.kind]] : [];
  const byText = new Map<string, unknown>();
  for (const rule of [...parts.flatMap(({ rules }) => rules as readonly unknown[]), ...wildcard]) byText.set(canonicalText(rule), rule);
  const rules = [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule);
  return { ...first, rules } as L7Rules;
}

/** Whether the port rule asks for that parser. */
export function asksFor(rules: ProxyRules, { parser, listener }: ParserChoice): boolean {
  const choice = parserOf(rules);
  return choice.parser === parser && choice.listener === listener;
}
