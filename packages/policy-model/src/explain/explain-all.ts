import type { Identity } from '@cilium-ts/identity';
import type { ExplainRequest } from './explain.ts';
import { explain } from './explain.ts';
import type { Explanation } from './explanation.ts';

/** A question between ends that may each be several identities, such as the backends of a service. */
export interface ExplainAllRequest extends Omit<ExplainRequest, 'from' | 'to'> {
  readonly from: readonly Identity[];
  readonly to: readonly Identity[];
}

/** The answers for every pair. */
export interface Explanations {
  /** Allowed where every pair is. */
  readonly verdict: Explanation['verdict'];
  /** By `from`, then `to`; at least one. */
  readonly all: readonly Explanation[];
  /** The first that is denied, else the first. */
  readonly telling: Explanation;
  /** Every text, the telling one first. */
  readonly text: string;
}

/** {@link explain} for every pair. Throws RangeError for an end without identities. */
export function explainAll({ from, to, ...question }: ExplainAllRequest): Explanations {
  const all = from.flatMap((source) => to.map((target) => explain({ ...question, from: source, to: target })));
  const telling = all.find(({ verdict }) => verdict === 'denied') ?? all[0];
  if (telling === undefined) throw new RangeError(`${from.length === 0 ? 'from' : 'to'}: no identity`);
  const { verdict } = telling;
  return {
    verdict,
    all,
    telling,
    get text() {
      const texts = [telling, ...all.filter((one) => one !== telling)].map((one) => one.text);
      return texts.length === 1 ? texts[0]! : [...texts, `verdict over all ${texts.length} pairs: ${verdict}`].join('\n\n');
    },
  };
}
