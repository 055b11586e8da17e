import type { Identity, LabelSet } from '@cilium-ts/identity';
import { RESERVED, selectorMatches } from '@cilium-ts/identity';
import type { Enforcement } from '../compile/enforcement.ts';
import { decideEnforcement } from '../compile/enforcement.ts';
import type { RowAction } from '../compile/row.ts';
import { MATCH_TYPE, ROW_POSITIONS } from '../compile/row.ts';
import type { RowTerm } from '../compile/row-term.ts';
import { compareTerms, dropRedundant, matchType } from '../compile/row-term.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { Direction, Rule } from '../model/rule.ts';
import type { RuleMatch } from './evaluate-rule.ts';
import { evaluateRule } from './evaluate-rule.ts';
import type { Candidate, DecisionReason, DirectionExplanation, Packet } from './explanation.ts';

/** One side of the question. */
export interface DirectionRequest {
  readonly direction: Direction;
  /** The rules of every policy. */
  readonly rules: readonly Rule[];
  /** The endpoint whose policies are asked. */
  readonly endpoint: Identity;
  readonly peer: Identity;
  readonly packet: Packet;
  readonly options: PolicyOptions;
}

/** What the policies of one side say, and why. */
export function explainDirection(request: DirectionRequest): DirectionExplanation {
  const { direction, endpoint, options } = request;
  if (!isEndpoint(endpoint.labels)) return open(direction, 'no-endpoint');
  const rules = request.rules.filter((rule) => rule.direction === direction && selectorMatches(rule.subject, endpoint.labels));
  const enforcement = decideEnforcement(endpoint.labels, rules, options);
  if (enforcement.kind === 'off') {
    return open(direction, enforcement.why === 'never' ? 'enforcement-never' : enforcement.why === 'host' ? 'no-endpoint' : 'no-rules');
  }
  const evaluations = rules.map((rule) => evaluateRule(rule, request.peer.labels, request.packet, options));
  const matches = evaluations.flatMap((evaluation) => (evaluation.matched ? evaluation.matches : []));
  const failed = evaluations.flatMap((evaluation) => (evaluation.matched ? [] : [evaluation.candidate]));
  return conclude(request, enforcement, matches, failed);
}

/** Whether policies apply to these labels at all: not to addresses outside, nodes, and what Cilium does not manage. */
function isEndpoint(labels: LabelSet): boolean {
  if (labels.prefixes.length > 0) return false;
  const outside = ['host', 'world', 'world-ipv4', 'world-ipv6', 'unmanaged', 'remote-node', 'kube-apiserver', 'ingress'];
  return !outside.some((name) => labels.has('reserved', name));
}

function open(direction: Direction, reason: DecisionReason): DirectionExplanation {
  return { direction, verdict: 'allowed', action: 'allow', match: MATCH_TYPE.all, enforced: false, reason, candidates: [] };
}

function conclude(
  request: DirectionRequest,
  enforcement: Enforcement,
  matches: readonly RuleMatch[],
  failed: readonly Candidate[],
): DirectionExplanation {
  const everything = { start: 0, end: ROW_POSITIONS - 1, action: 'allow' } as const;
  const synthetic: (RowTerm & { reason: DecisionReason })[] = [];
  if (enforcement.kind === 'default-allow') synthetic.push({ ...everything, namesPeer: false, reason: 'default-allow' });
  if (request.direction === 'ingress' && request.options.allowLocalhost && request.peer.id === RESERVED.host) {
    synthetic.push({ ...everything, namesPeer: true, reason: 'allow-localhost' });
  }
  const winner = dropRedundant([...matches.map(({ term }) => term), ...synthetic]).sort(compareTerms)[0];
  const decisive = matches.find(({ term }) => winner !== undefined && sameTerm(term, winner));
  const candidates = order(decisive, matches, failed);
  const base = { direction: request.direction, enforced: true, candidates };
  if (winner === undefined) return { ...base, verdict: 'denied', action: 'deny-default', match: MATCH_TYPE.none, reason: 'default-deny' };
  const action: RowAction = winner.action === 'deny' ? 'deny' : 'allow';
  const decision = { ...base, verdict: action === 'allow' ? 'allowed' : 'denied', action, match: matchType(winner) } as const;
  if (decisive !== undefined) {
    return { ...decision, reason: action === 'deny' ? 'denied-by-rule' : 'allowed-by-rule', deciding: decisive.candidate.rule };
  }
  return { ...decision, reason: synthetic.find((term) => sameTerm(term, winner))!.reason };
}

function sameTerm(a: RowTerm, b: RowTerm): boolean {
  return a.start === b.start && a.end === b.end && a.action === b.action && a.namesPeer === b.namesPeer;
}

/** The deciding way first, then one way for each other rule that matched, then those that did not. */
function order(decisive: RuleMatch | undefined, matches: readonly RuleMatch[], failed: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  const ordered = decisive === undefined ? matches : [decisive, ...matches];
  const matched = ordered
    .map(({ candidate }) => candidate)
    .filter(({ rule }) => {
      const key = `${rule.resource} ${rule.entry}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  return [...matched, ...failed];
}
