import type { Identity } from '@cilium-ts/identity';
import { displayLabel } from '@cilium-ts/identity';
import { formatLocation } from '../model/location.ts';
import { describePacket } from './evaluate-rule.ts';
import type { Candidate, DecisionReason, DirectionExplanation, Explanation, RuleReference } from './explanation.ts';

const REASONS: Readonly<Record<DecisionReason, string>> = {
  'no-endpoint': 'policies do not apply to this side',
  'enforcement-never': 'policies are not enforced (enable-policy=never)',
  'no-rules': 'no rule of this direction selects the endpoint',
  'denied-by-rule': 'denied by',
  'allowed-by-rule': 'allowed by',
  'allow-localhost': 'the node may always reach its endpoints (allow-localhost)',
  'default-allow': 'no rule denies it, and no rule that selects the endpoint enables default deny',
  'default-deny': 'no rule allows it',
};

/** The explanation for people. */
export function formatExplanation(explanation: Omit<Explanation, 'text'>): string {
  const { from, to, packet, verdict, audited } = explanation;
  return [
    `${describePacket(packet)} from ${describeIdentity(from)} to ${describeIdentity(to)}`,
    ...formatDirection(explanation.egress, from),
    ...formatDirection(explanation.ingress, to),
    `verdict: ${verdict}${audited ? ' (audit mode: would be denied)' : ''}`,
  ].join('\n');
}

function formatDirection(direction: DirectionExplanation, endpoint: Identity): string[] {
  const { deciding, reason } = direction;
  const why = deciding === undefined ? REASONS[reason] : `${REASONS[reason]} ${formatRule(deciding)}`;
  const heading = `${direction.direction} of ${describeIdentity(endpoint)}: ${direction.verdict}: ${why}`;
  return [heading, ...direction.candidates.map(formatCandidate)];
}

const OUTCOMES: Readonly<Record<Candidate['outcome'], string>> = {
  matched: 'matches',
  peer: 'other peers',
  port: 'other ports',
  nobody: 'selects nobody',
};

function formatCandidate({ rule, outcome, detail }: Candidate): string {
  return `  - ${rule.action} rule ${formatRule(rule)}: ${OUTCOMES[outcome]}: ${detail}`;
}

function formatRule(rule: RuleReference): string {
  return `${rule.resource} (${formatLocation(rule)})`;
}

function describeIdentity({ id, labels }: Identity): string {
  return `[${Array.from(labels, displayLabel).join(' ')}] (${id})`;
}
