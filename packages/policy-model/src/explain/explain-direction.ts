import type { Identity, LabelSet } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction, Rule, Tier } from '../model/rule.ts';
import type { MatchType, RowAction } from '../model/verdict.ts';
import { MATCH_TYPE } from '../model/verdict.ts';
import { createCandidates } from './candidates.ts';
import type { Decision } from './decide.ts';
import { decide } from './decide.ts';
import type { Hit, RuleContext, RuleOutcome } from './evaluate-rule.ts';
import { evaluateRule } from './evaluate-rule.ts';
import type { Candidate, DecisionReason, DefaultDeny, DirectionExplanation, Packet, RedirectExplanation, RuleReference } from './explanation.ts';
import type { KnownPort, PolicySource } from './policy-source.ts';
import type { ConnectionFacts } from './proxy.ts';
import { judgeTogether, parserOf, unitedServerNames } from './proxy.ts';
import type { EndpointRules } from './rule-index.ts';
import { ruleIndex } from './rule-index.ts';
import { hitReference } from './rule-reference.ts';

/** What is asked of both sides. */
export interface Question {
  readonly source: PolicySource;
  readonly from: Identity;
  readonly to: Identity;
  readonly packet: Packet;
  readonly facts: ConnectionFacts;
  /** Of the destination itself; those of its identity where `undefined`. */
  readonly namedPorts: readonly KnownPort[] | undefined;
  readonly options: PolicyOptions;
}

/** What the policies of one side say, and why. */
export function explainDirection(question: Question, direction: Direction): DirectionExplanation {
  const { source, options, packet, facts } = question;
  const [endpoint, peer] = direction === 'ingress' ? [question.to, question.from] : [question.from, question.to];
  if (!isEndpoint(endpoint.labels, options)) return open(direction, 'no-endpoint');
  if (options.enforcement === 'never') return open(direction, 'enforcement-never');
  const strict = options.strictNetworkPolicy === true;
  const rules = ruleIndex(source).rulesFor(endpoint.labels, direction, strict);
  const closed = defaultDeny(endpoint.labels, rules.closing, options);
  if (closed === undefined && rules.admin.length + rules.normal.length + rules.baseline.length === 0) return open(direction, 'no-rules');
  const context: RuleContext = { labels: peer.labels, id: peer.id, source, options, packet, namedPorts: () => namedPortsFor(question, direction) };
  const outcomes = evaluateTiers(rules, context);
  const allowHost = direction === 'ingress' && options.allowLocalhost && !strict && peer.id === RESERVED.host;
  return conclude(context, outcomes, { direction, facts, closed, decision: decide(outcomes, { defaultDeny: closed !== undefined, allowHost }) });
}

/** Names of ports are the destination's: on ingress those of the very endpoint, on egress those of its identity. */
function namedPortsFor({ source, to, namedPorts }: Question, direction: Direction): readonly KnownPort[] {
  return (direction === 'ingress' ? namedPorts : undefined) ?? source.directory?.namedPorts(to.id) ?? [];
}

/** Addresses outside, nodes, and what Cilium does not manage: policies do not apply to these. */
const OUTSIDE = ['world', 'world-ipv4', 'world-ipv6', 'unmanaged', 'remote-node', 'kube-apiserver', 'ingress'];

/** Whether policies apply to the holders of these labels. */
export function isEndpoint(labels: LabelSet, { hostFirewall = false }: PolicyOptions): boolean {
  if (labels.has('reserved', 'host')) return hostFirewall;
  return labels.prefixes.length === 0 && !OUTSIDE.some((name) => labels.has('reserved', name));
}

function open(direction: Direction, reason: DecisionReason): DirectionExplanation {
  return { direction, verdict: 'allowed', action: 'allow', match: MATCH_TYPE.all, enforced: false, reason, log: [], candidates: [] };
}

/** Why what no normal rule allows is denied, or `undefined` where it is not. */
function defaultDeny(labels: LabelSet, closing: readonly RuleReference[], { enforcement }: PolicyOptions): DefaultDeny | undefined {
  if (enforcement === 'always') return { why: 'enforcement-always', rules: closing };
  // An endpoint whose labels are not known yet must not be open meanwhile.
  if (labels.has('reserved', 'init')) return { why: 'init', rules: closing };
  return closing.length > 0 ? { why: 'rule', rules: closing } : undefined;
}

/** The outcome of every rule that selects the endpoint. */
export type TierOutcomes = Readonly<Record<Tier, readonly RuleOutcome[]>>;

function evaluateTiers({ admin, normal, baseline }: EndpointRules, context: RuleContext): TierOutcomes {
  const evaluate = (rule: Rule): RuleOutcome => evaluateRule(rule, context);
  return { admin: admin.map(evaluate), normal: normal.map(evaluate), baseline: baseline.map(evaluate) };
}

interface Conclusion {
  readonly direction: Direction;
  readonly facts: ConnectionFacts;
  readonly closed: DefaultDeny | undefined;
  readonly decision: Decision;
}

function conclude(rules: RuleContext, outcomes: TierOutcomes, { direction, facts, closed, decision }: Conclusion): DirectionExplanation {
  const { action, match, hit, tier, redirects } = decision;
  const redirect = redirects.length === 0 ? undefined : explainRedirect(decision, facts);
  const refused = redirect?.passes === false;
  const base = { direction, verdict: action === 'allow' && !refused ? ('allowed' as const) : ('denied' as const), action, match, reason: refused ? ('denied-by-l7' as const) : decision.reason, log: logOf(redirects.length > 0 || hit === undefined ? redirects : [hit]) };
  const view = new DirectionView(base, () => createCandidates(outcomes, { decision, closed, facts, rules }));
  if (tier !== undefined) view.tier = tier;
  if (hit !== undefined) view.deciding = hitReference(hit);
  if (redirect !== undefined) view.redirect = redirect;
  if (closed !== undefined) view.defaultDeny = closed;
  return view;
}

/** A class for its getter: candidates are listed when somebody asks; everything has been evaluated by then. */
class DirectionView implements DirectionExplanation {
  readonly direction: Direction;
  readonly verdict: DirectionExplanation['verdict'];
  readonly action: RowAction;
  readonly match: MatchType;
  readonly enforced = true;
  readonly reason: DecisionReason;
  declare tier?: Tier;
  declare deciding?: RuleReference;
  declare redirect?: RedirectExplanation;
  declare defaultDeny?: DefaultDeny;
  readonly log: readonly string[];
  readonly #list: () => readonly Candidate[];
  #candidates: readonly Candidate[] | undefined;

  constructor({ direction, verdict, action, match, reason, log }: Omit<DirectionExplanation, 'enforced' | 'candidates'>, list: () => readonly Candidate[]) {
    this.direction = direction;
    this.verdict = verdict;
    this.action = action;
    this.match = match;
    this.reason = reason;
    this.log = log;
    this.#list = list;
  }

  get candidates(): readonly Candidate[] {
    return (this.#candidates ??= this.#list());
  }

  toJSON(): DirectionExplanation {
    return { ...this, candidates: this.candidates };
  }
}

const NO_LOG: readonly string[] = [];

function logOf(hits: readonly Hit[]): readonly string[] {
  const texts = hits.flatMap(({ rule: { log } }) => (log === undefined ? NO_LOG : [log]));
  return texts.length === 0 ? NO_LOG : [...new Set(texts)].sort();
}

function explainRedirect({ redirects, opened }: Decision, facts: ConnectionFacts): RedirectExplanation {
  const names = opened === undefined ? unitedServerNames(redirects) : undefined;
  const rules = [...new Map(redirects.map((one) => [one.rule, one])).values()];
  return {
    parser: parserOf(redirects[0]!.proxy!).name,
    rules: rules.map(hitReference),
    ...(opened === undefined ? {} : { opened: explainOpening(opened) }),
    ...(names === undefined ? {} : { serverNames: names }),
    passes: opened === undefined ? judgeTogether(redirects, facts) : true,
  };
}

function explainOpening(opened: NonNullable<Decision['opened']>): NonNullable<RedirectExplanation['opened']> {
  if (opened === 'default-allow') return { why: 'no rule enables default deny: layer-7 rules observe and refuse nothing' };
  return { why: 'a rule allows the same without layer-7 rules', by: hitReference(opened) };
}
