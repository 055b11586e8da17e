import { suggest } from '@cilium-ts/core';

/** The value in a message: `the string "a"`, `a list`, `nothing (null)`. */
export function describeValue(value: unknown): string {
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the string ${JSON.stringify(value)}`;
  return `the ${typeof value} ${String(value)}`;
}

/** What to do about a value that is not `expected`, such as `a string` or `an integer`. */
export function typeRemedy(expected: string, value: unknown): string {
  if (value === null) return 'give it a value or remove the field; an empty field is not the same as an absent one';
  // Of 1.10 and 1e3 nobody knows any more how they were written.
  if (expected === 'a string' && typeof value === 'number' && !Number.isSafeInteger(value)) return 'write it in quotes';
  if (expected === 'a string' && (typeof value === 'number' || typeof value === 'boolean')) return `write it in quotes: "${value}"`;
  return expected === 'a boolean' ? 'write true or false, without quotes' : `write ${expected}`;
}

/** Of a choice: `one of a, b`, or the only one there is. */
export function choose(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `one of ${values.join(', ')}`;
}

/** What to use instead of a value that is none of a choice. */
export function choiceRemedy(values: readonly string[], value: unknown): string {
  const near = values.length > 1 && typeof value === 'string' ? nearest(value, values) : undefined;
  return near === undefined ? `use ${choose(values)}` : `did you mean ${near}? The choice is ${values.join(', ')}`;
}

/** Short words are like too many others, unless only their case is wrong. */
function nearest(word: string, values: readonly string[]): string | undefined {
  return values.find((value) => value.toLowerCase() === word.toLowerCase()) ?? (word.length > 3 ? suggest(word, values) : undefined);
}

/** What is wrong with a field that is not known, and what to do. */
export function unknownField(name: string, known: readonly string[]): { readonly message: string; readonly remedy: string } {
  const near = suggest(name, known);
  const remedy = near === undefined ? `remove it; the fields here are ${known.join(', ')}` : `did you mean ${near}?`;
  return { message: `unknown field ${JSON.stringify(name)}`, remedy };
}
