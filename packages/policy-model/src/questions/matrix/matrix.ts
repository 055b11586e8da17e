import type { Identity } from '@cilium-ts/identity';
import type { CompiledPolicy } from '../../compile/compiled-policy.ts';
import { rowForPeer } from '../../compile/compiled-policy.ts';
import type { PolicyRow } from '../../compile/row.ts';
import { PolicyModelError } from '../../error.ts';
import type { PolicyOptions } from '../../model/options.ts';
import type { PolicyRepository } from '../../repository.ts';
import type { ReachEnd } from './ends.ts';
import { reachEnds } from './ends.ts';
import type { OpenSpan } from './open-traffic.ts';
import { describeSpans, openSpans } from './open-traffic.ts';

/** Of whom and under what a matrix is. */
export interface MatrixRequest {
  readonly repository: PolicyRepository;
  /** Known endpoints; nodes and the world come by themselves. See `identitiesOfRules` where none are known. */
  readonly identities: readonly (Identity & { readonly name?: string })[];
  readonly options: PolicyOptions;
}

/** What one end may open to another. */
export interface MatrixCell {
  readonly from: ReachEnd;
  readonly to: ReachEnd;
  readonly spans: readonly OpenSpan[];
  /** {@link OpenSpan} in words. */
  readonly text: string;
}

/** Who may talk to whom on what. */
export interface ReachMatrix {
  readonly ends: readonly ReachEnd[];
  /** Every ordered pair of which at least one end is an endpoint, by `from`, then `to`. */
  readonly cells: readonly MatrixCell[];
  /** Endpoints whose policies contradict each other: an agent locks them down. */
  readonly problems: readonly { readonly end: ReachEnd; readonly message: string }[];
}

/** Answers for single pairs, over fixed ends. */
export interface Reach {
  readonly spans: (from: ReachEnd, to: ReachEnd) => readonly OpenSpan[];
  readonly problems: ReachMatrix['problems'];
}

const NOTHING: readonly OpenSpan[] = [];

/** Compiles the policy of every endpoint among the ends once; pairs with the same two rows share their answer. */
export function createReach(repository: PolicyRepository, ends: readonly ReachEnd[], options: PolicyOptions): Reach {
  const compiler = repository.compiler(options);
  const compiled = new Map<ReachEnd, CompiledPolicy | undefined>();
  const problems: { end: ReachEnd; message: string }[] = [];
  for (const end of ends.filter(({ endpoint }) => endpoint)) {
    try {
      compiled.set(end, compiler.compile(end, ends));
    } catch (error) {
      if (!(error instanceof PolicyModelError)) throw error;
      problems.push({ end, message: error.message });
      compiled.set(end, undefined);
    }
  }
  const known = new Map<PolicyRow | undefined, Map<PolicyRow | undefined, readonly OpenSpan[]>>();
  const locked = (end: ReachEnd): boolean => end.endpoint && compiled.get(end) === undefined;
  return {
    problems,
    spans(from, to) {
      if (locked(from) || locked(to)) return NOTHING;
      const [source, target] = [compiled.get(from), compiled.get(to)];
      const egress = source === undefined ? undefined : rowForPeer(source.egress, to.id);
      const ingress = target === undefined ? undefined : rowForPeer(target.ingress, from.id);
      let answers = known.get(egress);
      if (answers === undefined) known.set(egress, (answers = new Map()));
      let spans = answers.get(ingress);
      if (spans === undefined) answers.set(ingress, (spans = openSpans(egress, ingress)));
      return spans;
    },
  };
}

/**
 * Who may open what to whom, between all endpoints, the nodes and the world. What a proxy is in between of counts as open, and
 * says so. Ports come from the boundaries of the rules, as ranges.
 */
export function matrix({ repository, identities, options }: MatrixRequest): ReachMatrix {
  const ends = reachEnds(identities, [repository], options);
  const reach = createReach(repository, ends, options);
  const texts = new Map<readonly OpenSpan[], string>();
  const textOf = (spans: readonly OpenSpan[]): string => {
    let text = texts.get(spans);
    if (text === undefined) texts.set(spans, (text = describeSpans(spans)));
    return text;
  };
  const cells: MatrixCell[] = [];
  for (const from of ends) {
    for (const to of ends) {
      if (!from.endpoint && !to.endpoint) continue;
      const spans = reach.spans(from, to);
      cells.push({ from, to, spans, text: textOf(spans) });
    }
  }
  return { ends, cells, problems: reach.problems };
}
