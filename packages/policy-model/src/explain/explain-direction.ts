import type { Identity, LabelSet } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction, Rule } from '../model/rule.ts';
import { MATCH_TYPE } from '../model/verdict.ts';
import { createCandidates, ruleReference } from './candidates.ts';
import type { Decision } from './decide.ts';
import { decide } from './decide.ts';
import type { RuleContext, RuleOutcome } from './evaluate-rule.ts';
import { evaluateRule } from './evaluate-rule.ts';
import type { DecisionReason, DefaultDeny, DirectionExplanation, Packet, RedirectExplanation } from './explanation.ts';
import type { KnownPort, PolicySource } from './policy-source.ts';
import type { ConnectionFacts } from './proxy.ts';
import { judgeTogether, parserOf, unitedServerNames } from './proxy.ts';
import type { EndpointRules } from './rule-index.ts';
import { ruleIndex } from './rule-index.ts';

/** One side of the question. */
export interface DirectionRequest {
  readonly direction: Direction;
  readonly source: PolicySource;
  /** The endpoint whose policies are asked. */
  readonly endpoint: Identity;
  readonly peer: Identity;
  readonly packet: Packet;
  readonly facts: ConnectionFacts;
  readonly namedPorts: () => readonly KnownPort[];
  readonly options: PolicyOptions;
}

/** What the policies of one side say, and why. */
export function explainDirection(request: DirectionRequest): DirectionExplanation {
  const { direction, source, endpoint, peer, options } = request;
  if (!isEndpoint(endpoint.labels, options)) return open(direction, 'no-endpoint');
  if (options.enforcement === 'never') return open(direction, 'enforcement-never');
  const strict = options.strictNetworkPolicy === true;
  const selected = ruleIndex(source).rulesFor(endpoint.labels, direction);
  const rules = strict ? { ...selected, normal: selected.normal.filter(({ unlisted }) => unlisted !== true) } : selected;
  const closed = defaultDeny(endpoint.labels, rules.normal, options);
  if (closed === undefined && rules.admin.length + rules.normal.length + rules.baseline.length === 0) return open(direction, 'no-rules');
  const context: RuleContext = { labels: peer.labels, id: peer.id, source, options, packet: request.packet, namedPorts: request.namedPorts };
  const outcomes = evaluateTiers(rules, context);
  const allowHost = direction === 'ingress' && options.allowLocalhost && !strict && peer.id === RESERVED.host;
  return conclude(request, outcomes, { closed, decision: decide(outcomes, { defaultDeny: closed !== undefined, allowHost }) });
}

/** Addresses outside, nodes, and what Cilium does not manage: policies do not apply to these. */
const OUTSIDE = ['world', 'world-ipv4', 'world-ipv6', 'unmanaged', 'remote-node', 'kube-apiserver', 'ingress'];

function isEndpoint(labels: LabelSet, { hostFirewall = false }: PolicyOptions): boolean {
  if (labels.has('reserved', 'host')) return hostFirewall;
  return labels.prefixes.length === 0 && !OUTSIDE.some((name) => labels.has('reserved', name));
}

function open(direction: Direction, reason: DecisionReason): DirectionExplanation {
  return { direction, verdict: 'allowed', action: 'allow', match: MATCH_TYPE.all, enforced: false, reason, log: [], candidates: [] };
}

/** Why what no normal rule allows is denied, or `undefined` where it is not. */
function defaultDeny(labels: LabelSet, normal: readonly Rule[], { enforcement }: PolicyOptions): DefaultDeny | undefined {
  const closing = normal.filter((rule) => rule.defaultDeny);
  // An endpoint whose labels are not known yet must not be open meanwhile.
  const why = enforcement === 'always' ? 'enforcement-always' : labels.has('reserved', 'init') ? 'init' : closing.length > 0 ? 'rule' : undefined;
  if (why === undefined) return undefined;
  return {
    why,
    get rules() {
      return closing.map((rule) => ruleReference(rule, rule.at));
    },
  };
}

/** The outcome of every rule that selects the endpoint. */
export type TierOutcomes = Readonly<Record<keyof EndpointRules, readonly RuleOutcome[]>>;

function evaluateTiers({ admin, normal, baseline }: EndpointRules, context: RuleContext): TierOutcomes {
  const evaluate = (rule: Rule): RuleOutcome => evaluateRule(rule, context);
  return { admin: admin.map(evaluate), normal: normal.map(evaluate), baseline: baseline.map(evaluate) };
}

interface Conclusion {
  readonly closed: DefaultDeny | undefined;
  readonly decision: Decision;
}

function conclude(request: DirectionRequest, outcomes: TierOutcomes, { closed, decision }: Conclusion): DirectionExplanation {
  const { direction, facts } = request;
  const { action, match, hit, tier } = decision;
  const redirect = decision.redirects.length === 0 ? undefined : explainRedirect(decision, facts);
  const refused = redirect?.passes === false;
  const deciding = decision.redirects.length > 0 ? decision.redirects.map(({ rule }) => rule) : hit === undefined ? [] : [hit.rule];
  const log = [...new Set(deciding.flatMap(({ log: text }) => (text === undefined ? [] : [text])))].sort();
  let candidates: DirectionExplanation['candidates'] | undefined;
  return {
    direction,
    verdict: action === 'allow' && !refused ? 'allowed' : 'denied',
    action,
    match,
    enforced: true,
    reason: refused ? 'denied-by-l7' : decision.reason,
    ...(tier === undefined ? {} : { tier }),
    ...(hit === undefined ? {} : { deciding: ruleReference(hit.rule, hit.at) }),
    ...(redirect === undefined ? {} : { redirect }),
    ...(closed === undefined ? {} : { defaultDeny: closed }),
    log,
    // Everything is evaluated by now; only the words wait for somebody to read them.
    get candidates() {
      return (candidates ??= createCandidates(outcomes, { decision, closed, facts }));
    },
  };
}

function explainRedirect({ redirects, opened }: Decision, facts: ConnectionFacts): RedirectExplanation {
  const names = opened === undefined ? unitedServerNames(redirects) : undefined;
  const rules = [...new Map(redirects.map((one) => [one.rule, one])).values()];
  return {
    parser: parserOf(redirects[0]!.proxy!).name,
    get rules() {
      return rules.map(({ rule, at }) => ruleReference(rule, at));
    },
    ...(opened === undefined ? {} : { opened: explainOpening(opened) }),
    ...(names === undefined ? {} : { serverNames: names }),
    passes: opened === undefined ? judgeTogether(redirects, facts) : true,
  };
}

function explainOpening(opened: NonNullable<Decision['opened']>): NonNullable<RedirectExplanation['opened']> {
  if (opened === 'default-allow') return { why: 'no rule enables default deny: layer-7 rules observe and refuse nothing' };
  return { why: 'a rule allows the same without layer-7 rules', by: ruleReference(opened.rule, opened.at) };
}
