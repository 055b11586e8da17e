import { expect, test } from 'vitest';
import { readDocuments } from '../../src/index.ts';

/** Ten of them. */
const MEGABYTES = 10 * 2 ** 20;

/** What is said of a text that is not read, as `line:column message`. */
const refusal = (text: string): string => {
  const { objects, problems } = readDocuments(text);
  expect(objects).toEqual([]);
  return problems.map(({ line, column, message }) => `${line}:${column} ${message}`).join('; ');
};

test.each<[string, string]>([
  ['plain', 'x'.repeat(MEGABYTES)],
  ['in quotes', `"${'x'.repeat(MEGABYTES)}"`],
  ['with escapes', `"${'\\x41'.repeat(MEGABYTES / 4)}"`],
  ['in a block', `|\n  ${'x'.repeat(MEGABYTES)}`],
  ['of many words', 'x '.repeat(MEGABYTES / 2)],
  ['of a comment', `1 #${'x'.repeat(MEGABYTES)}`],
  ['of blanks', `1${' '.repeat(MEGABYTES)}`],
  ['of a list', `[${'1, '.repeat(200_000)}]`],
  ['of pairs', `[${'a: 1, '.repeat(100_000)}]`],
])('a line without an end %s is read', (_, line) => {
  const { objects, problems } = readDocuments(`a: ${line}\nb: 1\n`);
  expect(problems).toEqual([]);
  expect(objects[0]!.locator.locate(['b'], 'value')).toMatchObject({ column: 4 });
}, 60_000);

test('a map of a hundred thousand keys and as many documents are read', () => {
  const text = Array.from({ length: 100_000 }, (_, number) => `k${number}: v\n`).join('');
  expect(readDocuments(text).problems).toEqual([]);
  expect(readDocuments(text.replaceAll('\n', '\n---\n')).objects).toHaveLength(100_000);
});

test.each<[string, string]>([
  ['brackets', '['.repeat(100_000)],
  ['closed brackets', '['.repeat(10_000) + ']'.repeat(10_000)],
  ['braces', '{a: '.repeat(100_000)],
  ['dashes', '- '.repeat(100_000)],
  ['question marks', '? '.repeat(100_000)],
  ['tags', '[!!seq '.repeat(100_000)],
  ['anchors', '[&a '.repeat(100_000)],
  ['lines', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')],
])('%s in each other are refused before they become too deep', (_, text) => {
  expect(refusal(text)).toMatch(/^\d+:\d+ lists and maps are more than 250 deep in each other$/);
});

test('what aliases stand for counts for the depth', () => {
  const text = Array.from({ length: 5 }, (_, number) => `- &a${number} ${'['.repeat(80)}${number === 0 ? '' : `*a${number - 1}`}${']'.repeat(80)}\n`).join('');
  expect(refusal(text)).toMatch(/^4:\d+ lists and maps are more than 250 deep in each other$/);
});

test('aliases of aliases are refused where they become too much', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x]', ...'bcdefghi'.split('').map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index]}, `.repeat(8)}]`)].join('\n');
  expect(refusal(bomb)).toMatch(/^4:\d+ \*c and what it stands for are used too often \(at most 100 times\)$/);
});

test('merge keys bring so much and no more', () => {
  const base = `a: &a { ${Array.from({ length: 5_000 }, (_, number) => `k${number}: 1`).join(', ')} }\n`;
  expect(readDocuments(`${base}b: { <<: *a }\nc: { <<: [*a] }\n`).problems).toEqual([]);
  expect(refusal(`${base}b: { <<: *a }\nc: { <<: [*a, *a] }\n`)).toBe('3:6 merge keys bring more than 10000 entries');
});

test('a hundred thousand anchors and aliases are read', () => {
  const text = Array.from({ length: 100_000 }, (_, number) => `- &a${number} [x]\n- *a${number}\n`).join('');
  expect(readDocuments(text).problems).toEqual([]);
});

test.each<[string, string, RegExp]>([
  ['an open quote', `a: "${'x\n '.repeat(500_000)}`, /^500001:\d+ a quote is not closed$/],
  ['an open bracket', `a: [${'1,\n '.repeat(500_000)}`, /^500001:\d+ a bracket or a brace is not closed$/],
  ['a fault at the end', `${'# c\n'.repeat(500_000)}a: b: c\n`, /^500001:\d+ /],
])('%s after a megabyte is found at its place', (_, text, expected) => {
  expect(refusal(text)).toMatch(expected);
});
