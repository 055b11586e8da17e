import type { Rule, Tier } from '../model/rule.ts';
import type { Decision } from './decide.ts';
import { opens } from './decide.ts';
import type { Hit, RuleContext, RuleOutcome } from './evaluate-rule.ts';
import { describeHit, describeMiss } from './evaluate-rule.ts';
import type { Candidate, DefaultDeny, L7Finding, RuleEffect, RuleReference } from './explanation.ts';
import type { ConnectionFacts } from './proxy.ts';
import { findL7, parserOf } from './proxy.ts';
import { hitReference, ruleReference } from './rule-reference.ts';

/** What the verdict was, for telling each rule's part in it. */
export interface CandidateContext {
  readonly decision: Decision;
  readonly closed: DefaultDeny | undefined;
  readonly facts: ConnectionFacts;
  readonly rules: RuleContext;
}

const TIERS: readonly Tier[] = ['admin', 'normal', 'baseline'];

/** Every rule with its part: the deciding one, others that matched as they are asked, then those that did not match. */
export function createCandidates(outcomes: Readonly<Record<Tier, readonly RuleOutcome[]>>, context: CandidateContext): Candidate[] {
  const all = TIERS.flatMap((tier) => outcomes[tier]);
  const matched = all.filter(({ outcome }) => outcome === 'matched');
  const deciding = matched.filter(({ rule }) => rule === context.decision.hit?.rule);
  const others = matched.filter(({ rule }) => rule !== context.decision.hit?.rule);
  const failed = all.filter(({ outcome }) => outcome !== 'matched');
  return [...[...deciding, ...others].map((outcome) => matchedCandidate(outcome, context)), ...failed.map((outcome) => failedCandidate(outcome, context.rules))];
}

/** A class for its getter: words are made when somebody reads them; what they tell has been found out. */
class CandidateView implements Candidate {
  readonly rule: RuleReference;
  readonly outcome: Candidate['outcome'];
  declare readonly effect?: RuleEffect;
  declare readonly shadow?: NonNullable<Candidate['shadow']>;
  declare readonly l7?: L7Finding;
  readonly #detail: () => string;

  constructor(rule: RuleReference, outcome: Candidate['outcome'], detail: () => string) {
    this.rule = rule;
    this.outcome = outcome;
    this.#detail = detail;
  }

  get detail(): string {
    return this.#detail();
  }

  toJSON(): Candidate {
    return { ...this, detail: this.detail };
  }
}

function failedCandidate(miss: RuleOutcome, context: RuleContext): Candidate {
  return new CandidateView(ruleReference(miss.rule, miss.rule.at), miss.outcome, () => describeMiss(miss, context));
}

function matchedCandidate(outcome: RuleOutcome, context: CandidateContext): Candidate {
  const { decision, facts, rules } = context;
  const { rule } = outcome;
  const own = rule === decision.hit?.rule ? decision.hit : (decision.redirects.find((hit) => hit.rule === rule) ?? outcome.hits[0]!);
  const finding = own.proxy === undefined ? {} : { l7: findL7(own.proxy, facts) };
  return Object.assign(new CandidateView(hitReference(own), 'matched', () => describeHit(own, rules)), judge(rule, own, context), finding);
}

interface Judgement {
  readonly effect: RuleEffect;
  readonly shadow?: NonNullable<Candidate['shadow']>;
}

/** The part of a rule that matches. */
function judge(rule: Rule, own: Hit, context: CandidateContext): Judgement {
  const { decision } = context;
  const { hit, pass, redirects, opened } = decision;
  if (rule === pass?.rule) return { effect: 'passes' };
  if (rule === hit?.rule || redirects.includes(own)) {
    const effect = redirects.length > 0 && rule !== hit?.rule ? 'redirects' : 'decides';
    const widened = own.proxy !== undefined && typeof opened === 'object';
    return widened ? { effect, shadow: shadowed('its layer-7 rules refuse nothing: the same is allowed without them', opened) } : { effect };
  }
  if (pass !== undefined && rule.tier === 'admin') return { effect: 'shadowed', shadow: shadowed('an earlier rule of its tier passes the traffic on', pass) };
  const says = decision.action === 'allow' ? 'allow' : 'deny';
  if (hit === undefined) return judgeUndecided(rule, context, says);
  const overruled = whyOverruled(rule, hit, own);
  if (rule.action === says && (overruled === undefined || rule.tier !== 'normal')) return { effect: 'agrees' };
  return { effect: 'shadowed', shadow: shadowed(overruled ?? 'it is not asked any more', hit) };
}

/** No rule decided: default deny, the node's privilege, or nothing. */
function judgeUndecided(rule: Rule, { decision, closed }: CandidateContext, says: 'allow' | 'deny'): Judgement {
  if (rule.action === says) return { effect: 'agrees' };
  if (decision.reason === 'allow-localhost') return { effect: 'shadowed', shadow: { why: 'the node may always reach its endpoints, which is decided before' } };
  const by = closed?.rules[0];
  return { effect: 'shadowed', shadow: { why: 'default deny comes before its tier', ...(by === undefined ? {} : { by }) } };
}

function whyOverruled(rule: Rule, hit: Hit, own: Hit): string | undefined {
  if (rule.tier !== hit.rule.tier) return `the tier ${hit.rule.tier} comes before the tier ${rule.tier}`;
  if (rule.tier !== 'normal') return 'an earlier rule of its tier decides';
  if (rule.action !== hit.rule.action) return 'deny beats allow';
  if (own.proxy === undefined && hit.proxy !== undefined && !opens(own, hit)) return 'a DNS proxy has the rules of the very port only';
  const [parser, winner] = [own.proxy, hit.proxy].map((proxy) => (proxy === undefined ? undefined : parserOf(proxy).name));
  return parser !== undefined && winner !== undefined && parser !== winner ? `connections go to one proxy, and ${winner} comes before ${parser}` : undefined;
}

const shadowed = (why: string, by: Hit): NonNullable<Candidate['shadow']> => ({ why, by: hitReference(by) });
