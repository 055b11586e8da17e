import { describe, expect, test } from 'vitest';
import type { Shape } from '../src/index.ts';
import {
  anything, checkShape, choice, createReporter, flag, integer, intOrText, listOf, mapOf, nullable, number, object, oneOf, openObject, optional, orNull, refined, text,
} from '../src/index.ts';

/** What checking reports, as `code field message (remedy)`. */
function check(shape: Shape, value: unknown): string[] {
  const reporter = createReporter({ locate: () => ({ line: 1, column: 1 }) }, undefined, undefined);
  const good = checkShape(object({ x: shape }), value === undefined ? {} : { x: value }, reporter.field());
  expect(good).toBe(!reporter.failed);
  return reporter.issues.map(({ code, field, message, remedy }) => `${code} ${field}: ${message} (${remedy})`);
}

describe('what is accepted', () => {
  test.each<[Shape, unknown[]]>([
    [text(), ['', 'a']],
    [text({ max: 2, pattern: /^a/, expected: 'words with a' }), ['a', 'ab']],
    [integer(), [0, -1, 2 ** 53 - 1]],
    [integer(1, 2), [1, 2]],
    [number, [1.5, -0]],
    [flag, [true, false]],
    [intOrText, [1, 'http']],
    [anything, [null, 1, {}, []]],
    [oneOf('a', 'b'), ['a', 'b']],
    [listOf(text()), [[], ['a']]],
    [listOf(text(), 1), [['a']]],
    [mapOf(integer()), [{}, { a: 1, constructor: 2 }]],
    [object({ a: optional(text()) }), [{}, { a: 'b' }]],
    [openObject({ a: text() }), [{ a: 'b', c: 1 }]],
    [optional(text()), [undefined, 'a']],
    [nullable(text()), [undefined, null, 'a']],
    [orNull(text()), [null, 'a']],
    [choice(object({ a: optional(text()), b: optional(text()), c: optional(text()) }), { of: ['a', 'b'], lenient: true }), [{}, { a: 'x', c: 'y' }, { c: 'z' }]],
    [refined(integer(), (value) => (value > 1 ? { code: 'suspicious', severity: 'warning', message: 'm', remedy: 'r' } : undefined)), [1]],
  ])('%#', (shape, values) => {
    for (const value of values) expect(check(shape, value)).toEqual([]);
  });
});

describe('what is not', () => {
  test.each<[Shape, unknown, string]>([
    [text(), undefined, 'missing-field x: the field x is missing (add it as a string)'],
    [oneOf('a', 'b'), undefined, 'missing-field x: the field x is missing (add it as one of a, b)'],
    [orNull(text()), undefined, 'missing-field x: the field x is missing (add it as a string)'],
    [text(), null, 'wrong-type x: expected a string, found nothing (null) (give it a value or remove the field; an empty field is not the same as an absent one)'],
    [text(), 1, 'wrong-type x: expected a string, found the number 1 (write it in quotes: "1")'],
    [text(), false, 'wrong-type x: expected a string, found the boolean false (write it in quotes: "false")'],
    [text(), {}, 'wrong-type x: expected a string, found an object (write a string)'],
    [text({ max: 2 }), 'abc', 'invalid-value x: the string "abc" is not accepted (use at most 2 characters)'],
    [text({ pattern: /^a/, expected: 'words with a' }), 'b', 'invalid-value x: the string "b" is not accepted (use words with a)'],
    [integer(), 1.5, 'wrong-type x: expected an integer, found the number 1.5 (write an integer)'],
    [integer(), '1', 'wrong-type x: expected a number, found the string "1" (write a number)'],
    [integer(1), 0, 'invalid-value x: the number 0 is not accepted (use at least 1)'],
    [integer(1, 2), 3, 'invalid-value x: the number 3 is not accepted (use at most 2)'],
    [number, Number.NaN, 'wrong-type x: expected a number, found the number NaN (write a number)'],
    [flag, 'no', 'wrong-type x: expected a boolean, found the string "no" (write true or false, without quotes)'],
    [intOrText, [], 'wrong-type x: expected an integer or a string, found a list (write an integer or a string)'],
    [oneOf('v1'), 'v2', 'invalid-value x: the string "v2" is not accepted (use v1)'],
    [oneOf('Ingress', 'Egress'), 'ingress', 'invalid-value x: the string "ingress" is not accepted (did you mean Ingress? The choice is Ingress, Egress)'],
    [oneOf('Ingress', 'Egress'), 'sideways', 'invalid-value x: the string "sideways" is not accepted (use one of Ingress, Egress)'],
    [oneOf('Ingress', 'Egress'), 1, 'invalid-value x: the number 1 is not accepted (use one of Ingress, Egress)'],
    [listOf(text()), {}, 'wrong-type x: expected a list, found an object (write it as a list: one "- " item per line)'],
    [listOf(text(), 1), [], 'invalid-value x: a list of 0 is not accepted (use at least 1 members)'],
    [listOf(text(), 0, 1), ['a', 'b'], 'invalid-value x: a list of 2 is not accepted (use at most 1 members)'],
    [choice(object({ a: optional(text()), b: optional(text()) })), { a: 'x', b: 'y' }, 'invalid-value x.b: a and b exclude each other (keep one of them)'],
    [choice(object({ a: optional(text()), b: optional(text()) })), {}, 'missing-field x: none of a, b is given (add one of them)'],
    [choice(object({ a: optional(text()), b: optional(text()) })), { aa: 'x' }, 'unknown-field x.aa: unknown field "aa" (did you mean a?)'],
    [listOf(text()), ['a', 1], 'wrong-type x[1]: expected a string, found the number 1 (write it in quotes: "1")'],
    [mapOf(text()), [], 'wrong-type x: expected an object, found a list (write an object)'],
    [mapOf(text()), { 'a/b': 1 }, 'wrong-type x["a/b"]: expected a string, found the number 1 (write it in quotes: "1")'],
    [object({ name: text() }), { name: 'a', nmae: 1 }, 'unknown-field x.nmae: unknown field "nmae" (did you mean name?)'],
    [object({ name: optional(text()) }), { colour: 1 }, 'unknown-field x.colour: unknown field "colour" (remove it; the fields here are name)'],
    [object({ name: optional(text()) }), { toString: 1 }, 'unknown-field x.toString: unknown field "toString" (remove it; the fields here are name)'],
    [object({ a: optional(refined(text(), (value, name) => ({ code: 'unenforceable', message: `${name} ${value}`, remedy: 'r' }))) }), { a: 'b' }, 'unenforceable x.a: a b (r)'],
  ])('%#', (shape, value, expected) => {
    expect(check(shape, value)).toEqual([expected]);
  });

  test('all faults are reported, not just the first', () => {
    expect(check(object({ a: text(), b: listOf(integer()) }), { b: ['1', 2, true], c: 1 })).toHaveLength(4);
  });

  test('an object of the reader’s own making has no inherited fields', () => {
    expect(check(object({ constructor: text() }), {})).toEqual(['missing-field x.constructor: the field constructor is missing (add it as a string)']);
  });
});
