import type { ProxyRules } from '../model/l7.ts';
import type { RowVerdict } from './row.ts';
import type { ParserChoice } from './proxy-parser.ts';
import { compareChoices, parserOf } from './proxy-parser.ts';
import type { Refine, SweptCuts } from './row-sweep.ts';
import type { RowTerm } from './row-term.ts';
import { compareOrders, matchType, mayYield, tierNumber } from './row-term.ts';
import type { RuleSetPool } from './rule-set-pool.ts';
import { asksFor } from './rule-set-pool.ts';
import type { VerdictPool } from './verdict-pool.ts';

/** Where verdicts with extras are interned, and how proxies are dealt with. */
export interface RefineContext {
  readonly verdicts: VerdictPool;
  readonly ruleSets: RuleSetPool;
  /** Proxies only observe: no rule asks for default deny. */
  readonly observe: boolean;
  /** The peer is the node, which passes proxies by. */
  readonly bypass: boolean;
}

/**
 * Adds to verdicts what the terms beside the deciding one have to add: the rule set of all permissions that cover the
 * position, authentication, and the texts of the deciding rules. Only terms that were asked with the deciding one count:
 * those of its tier, and, where rules have an order, of its rule.
 */
export function refineWith(context: RefineContext): Refine {
  return (swept) => {
    const covering = coveringTerms(swept);
    const { terms } = swept.space;
    const refined = new Map<string, RowVerdict>();
    return (cut, verdict) => {
      const winner = swept.winners[cut]!;
      if (winner < 0) return verdict;
      const beside = covering[cut]!;
      const key = `${winner} ${beside.join()}`;
      let known = refined.get(key);
      if (known === undefined) {
        known = context.verdicts.intern(refinedVerdict(terms[winner]!, beside.map((rank) => terms[rank]!), context));
        refined.set(key, known);
      }
      return known;
    };
  };
}

/** By cut: ranks of the terms that cover it and were asked together with the deciding one, in order of precedence. */
function coveringTerms(swept: SweptCuts): readonly (readonly number[])[] {
  const { terms, first, last } = swept.space;
  const covering: number[][] = Array.from({ length: swept.size }, () => []);
  for (const rank of swept.ranks) {
    const term = terms[rank]!;
    const end = swept.numberOf(last[rank]!);
    for (let cut = swept.numberOf(first[rank]!); cut < end; cut++) {
      const winner = terms[swept.winners[cut]!];
      if (winner !== undefined && winner.action === term.action && askedTogether(winner, term)) covering[cut]!.push(rank);
    }
  }
  return covering;
}

const askedTogether = (a: RowTerm, b: RowTerm): boolean => tierNumber(a) === tierNumber(b) && compareOrders(a.order, b.order) === 0;

function refinedVerdict(winner: RowTerm, covering: readonly RowTerm[], context: RefineContext): RowVerdict {
  const redirect = winner.action === 'allow' && !context.bypass ? redirectOf(covering, context) : undefined;
  const deciding = redirect?.deciding ?? winner;
  const authentication = covering.find(({ extras }) => extras?.authentication !== undefined)?.extras?.authentication;
  const log = [...new Set(covering.filter((term) => saysTheSame(term, deciding)).flatMap(({ extras }) => extras?.log ?? []))].sort();
  return {
    action: winner.action === 'deny' ? 'deny' : 'allow',
    match: matchType(deciding),
    ...(redirect && { ruleSet: redirect.ruleSet }),
    ...(authentication && { authentication }),
    ...(log.length > 0 && { log: Object.freeze(log) }),
  };
}

const saysTheSame = (a: RowTerm, b: RowTerm): boolean => a.start === b.start && a.end === b.end && a.namesPeer === b.namesPeer;

/** What a proxy has to do if one of the permissions asks for it, and the one of the winning parser that comes first. */
function redirectOf(covering: readonly RowTerm[], { ruleSets, observe }: RefineContext) {
  let choice: ParserChoice | undefined;
  for (const { extras } of covering) {
    const one = extras?.proxy === undefined ? undefined : parserOf(extras.proxy);
    if (one !== undefined && (choice === undefined || compareChoices(one, choice) < 0)) choice = one;
  }
  if (choice === undefined) return undefined;
  const winner = choice;
  const own = covering.filter(({ extras }) => extras?.proxy !== undefined && asksFor(extras.proxy, winner));
  const rules = own.map(({ extras }) => extras!.proxy!);
  const open = observe || covering.some((term) => term.extras?.proxy === undefined && opens(term, own[0]!, winner));
  return { ruleSet: ruleSets.intern(unique(rules), winner, open), deciding: firstNotYielding(own) };
}

/** Whether a permission lets everything pass a proxy. One for DNS has the rules of its own port only, and hears of no wider permission. */
function opens(plain: RowTerm, proxied: RowTerm, { parser }: ParserChoice): boolean {
  return parser !== 'dns' || (plain.start === proxied.start && plain.end === proxied.end);
}

const unique = (rules: readonly ProxyRules[]): readonly ProxyRules[] => [...new Set(rules)];

function firstNotYielding(terms: readonly RowTerm[]): RowTerm {
  const yielding = (term: RowTerm): boolean => mayYield(term) && terms.some((other) => !other.namesPeer && other.start === term.start && other.end === term.end);
  return terms.find((term) => !yielding(term))!;
}
