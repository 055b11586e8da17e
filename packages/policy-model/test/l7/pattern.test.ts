import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../src/l7/pattern.ts';

function matches(pattern: string, text: string): boolean {
  const made = compilePattern(pattern);
  if ('error' in made) throw new Error(`${pattern}: ${made.error} at ${made.at}`);
  return made.matches(text);
}

describe('matches the whole text', () => {
  test.each<[pattern: string, yes: string[], no: string[]]>([
    ['GET', ['GET'], ['GETS', 'get', '']],
    ['/public/.*', ['/public/', '/public/a/b?c=d'], ['/public', 'x/public/', '/public/\n']],
    ['(?s)/public/.*', ['/public/\n'], []],
    ['GET|POST', ['GET', 'POST'], ['GETPOST']],
    ['^/a$', ['/a'], ['/ab']],
    ['/users/[0-9]+', ['/users/17'], ['/users/', '/users/x']],
    ['/v[12]?/x', ['/v/x', '/v1/x'], ['/v3/x']],
    ['a{2,3}', ['aa', 'aaa'], ['a', 'aaaa']],
    ['a{2}', ['aa'], ['a', 'aaa']],
    ['a{2,}', ['aa', 'aaaaa'], ['a']],
    ['a{0}b', ['b'], ['ab']],
    ['a{,2}', ['a{,2}'], ['aa']],
    ['x{', ['x{'], ['x']],
    ['(ab)*c', ['c', 'ababc'], ['abac']],
    ['(a|b|)c', ['ac', 'bc', 'c'], ['abc']],
    ['(?:a+?|b*?)', ['', 'aaa', 'bb'], ['ab']],
    ['(?i)straße|KEY', ['STRAßE', 'key', 'Key'], ['kez']],
    ['a(?i)b(?-i)c', ['aBc', 'abc'], ['Abc', 'abC']],
    ['(?i:a)b', ['Ab'], ['AB']],
    ['(?i)[^a]', ['b'], ['a', 'A']],
    ['(?P<user>\\w+)@(?<host>[^@]+)', ['joe@x.y'], ['joe@', 'j-e@x']],
    ['[^/]+', ['a\n'], ['a/b']],
    ['[]a]+', [']a]'], ['b']],
    ['[^]a]', ['b'], [']', 'a']],
    ['[a-]', ['-', 'a'], ['b']],
    ['[-a]', ['-', 'a'], ['b']],
    ['[[:alpha:][:digit:]_]+', ['aZ9_'], ['-', 'é']],
    ['[[:^alpha:]]', ['9'], ['a']],
    ['[\\d\\s]+', ['1 \t2'], ['x', '\v']],
    ['[\\]\\\\-]+', [']\\-'], ['a']],
    ['\\D\\S\\W', ['ab-'], ['1b-', 'a -', 'abc']],
    ['\\pL+\\p{Lu}\\P{Greek}\\p{^Greek}', ['äÄxx'], ['äÄxα', 'ääxx']],
    ['\\p{Greek}', ['α'], ['a']],
    ['\\x41\\x{42}\\103\\t\\n\\.\\/\\_', ['ABC\t\n./_'], ['ABC']],
    ['\\Qa.b*\\E+', ['a.b*', 'a.b**'], ['axb*']],
    ['\\Qa.b', ['a.b'], ['axb']],
    ['\\bfoo\\b.*\\Bo', ['foo foo', 'foo-oo'], ['foo o', 'xfoo oo']],
    ['\\Aa\\z', ['a'], ['aa']],
    ['(?m)a$\n^b', ['a\nb'], ['ab']],
    ['a$\n^b', [], ['a\nb']],
    ['^*a', ['a'], []],
    ['', [''], ['a']],
    ['.', ['😀', 'a'], ['', 'ab']],
    ['[😀-😂]', ['😁'], ['a']],
  ])('%s', (pattern, yes, no) => {
    for (const text of yes) expect(matches(pattern, text), text).toBe(true);
    for (const text of no) expect(matches(pattern, text), text).toBe(false);
  });
});

test.each<[pattern: string, at: number, error: RegExp]>([
  ['(a', 0, /"\(" without/],
  ['a)', 1, /"\)" without/],
  ['a|*', 2, /nothing before/],
  ['+', 0, /nothing before/],
  ['{2}', 0, /nothing before/],
  ['a**', 2, /repetition of a repetition/],
  ['a+{2}', 2, /repetition of a repetition/],
  ['a{2,1}', 1, /a count is at most/],
  ['a{1001}', 1, /a count is at most/],
  ['(a{100}){11}', 8, /nested counts/],
  ['[a', 0, /"\[" without/],
  ['[]', 0, /"\[" without/],
  ['[b-a]', 1, /ends before it begins/],
  ['[a-\\d]', 3, /\\d has no meaning/],
  ['[[:nope:]]', 1, /no class of characters is called \[:nope:\]/],
  ['[[:d:]]', 1, /no class/],
  ['\\p{Nope}', 0, /no class/],
  ['(a)\\1', 3, /references such as \\1/],
  ['(?=a)', 0, /looking ahead or behind/],
  ['(?<!a)b', 0, /looking ahead or behind/],
  ['(?)', 0, /neither flags nor a name/],
  ['(?P<x>a)(?P<x>b)', 8, /second group called x/],
  ['a\\', 1, /followed by nothing/],
  ['\\C', 0, /\\C has no meaning/],
  ['\\x{110000}', 0, /is no character/],
])('%s is refused', (pattern, at, error) => {
  const made = compilePattern(pattern);
  expect(made).toMatchObject({ at, error: expect.stringMatching(error) });
});

test('large counts are fine as long as they stay within bounds', () => {
  expect(matches('((a{0,30}){0,33}b){0,1}(((c{5}){10}){20}){0,1}', 'aaab')).toBe(true);
});

test('agrees with the expressions of the language on what both understand', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '(?:a|b)', '\\w', '\\.', '(?:ab)', '(?:a|)');
  const pattern = fc.array(fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}')).map(([a, b]) => a + b), { maxLength: 5 }).map((parts) => parts.join(''));
  const choice = fc.array(pattern, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|'));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', 'c'), maxLength: 8 });
  fc.assert(
    fc.property(choice, text, (source, subject) => {
      expect(matches(source, subject)).toBe(new RegExp(`^(?:${source})$`).test(subject));
    }),
    { numRuns: 3000, seed: 20261122 },
  );
});

test('takes no more time for patterns made to take for ever', () => {
  expect(matches('(a*)*b', 'a'.repeat(5000))).toBe(false);
  expect(matches('(a|a)*(a|aa)*c', 'a'.repeat(5000))).toBe(false);
  expect(matches(`${'a?'.repeat(200)}${'a'.repeat(200)}`, 'a'.repeat(200))).toBe(true);
});
