import type { ScalarTag } from './tag.ts';

/** The core schema of YAML 1.2 (10.3.2 of its specification). `Number` reads 0o17 and 0x1f, too. */
const RESOLVERS: readonly (readonly [tag: ScalarTag, pattern: RegExp, construct: (text: string) => unknown])[] = [
  ['null', /^(?:~|[Nn]ull|NULL)?$/, () => null],
  ['bool', /^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$/, (text) => /^t/i.test(text)],
  ['int', /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/, Number],
  ['float', /^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+)$/, Number],
  ['float', /^[-+]?\.(?:inf|Inf|INF)$/, (text) => (text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY)],
  ['float', /^\.(?:nan|NaN|NAN)$/, () => Number.NaN],
];

/** The value of a scalar with that tag, or of a plain one without. Text that the tag does not fit stays text. */
export function resolveScalar(text: string, tag: ScalarTag | undefined): unknown {
  for (const [name, pattern, construct] of RESOLVERS) {
    if ((tag === undefined || tag === name) && pattern.test(text)) return construct(text);
  }
  return text;
}
