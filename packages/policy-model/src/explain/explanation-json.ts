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
  const { from, to, egress, ingress, text, ...rest } = explanation;
  return { ...rest, from: end(from), to: end(to), egress: read(egress), ingress: read(ingress), text };
}

const end = ({ id, labels }: Identity): ExplainedEnd => ({ identity: id, labels: labels.toStrings() });

/** Spreading an object reads its getters. */
function read(direction: DirectionExplanation): DirectionExplanation {
  const { redirect, defaultDeny, candidates, ...rest } = direction;
  return {
    ...rest,
    ...(redirect === undefined ? {} : { redirect: { ...redirect } }),
    ...(defaultDeny === undefined ? {} : { defaultDeny: { ...defaultDeny } }),
    candidates: candidates.map((candidate): Candidate => ({ ...candidate })),
  };
}
