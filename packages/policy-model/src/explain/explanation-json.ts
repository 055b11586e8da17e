import type { Identity } from '@cilium-ts/identity';
import type { Candidate, DirectionExplanation, Explanation } from './explanation.ts';

/** One end of an explained connection, for machines. */
export interface ExplainedEnd {
  readonly identity: number;
  readonly labels: readonly string[];
}

/** An {@link Explanation} as plain JSON values. */
export interface ExplanationJson extends Omit<Explanation, 'from' | 'to' | 'egress' | 'ingress'> {
  readonly from: ExplainedEnd;
  readonly to: ExplainedEnd;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
}

/** The explanation with everything in it read out, so that it can be kept, sent and compared. */
export function explanationJson(explanation: Explanation): ExplanationJson {
  const { from, to, egress, ingress, text, packet, l7, serverName, verdict, audited } = explanation;
  const facts = { ...(l7 === undefined ? {} : { l7 }), ...(serverName === undefined ? {} : { serverName }) };
  return { from: end(from), to: end(to), packet, ...facts, verdict, audited, egress: read(egress), ingress: read(ingress), text };
}

const end = ({ id, labels }: Identity): ExplainedEnd => ({ identity: id, labels: labels.toStrings() });

/** Candidates and their words are made when somebody reads them. */
function read(direction: DirectionExplanation): DirectionExplanation {
  return { ...direction, candidates: direction.candidates.map((candidate): Candidate => ({ ...candidate, detail: candidate.detail })) };
}
