import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FqdnSelector } from '../../src/index.ts';
import { canonicalFqdn, matchesFqdn } from '../../src/index.ts';

describe('canonicalFqdn', () => {
  it.each([
    ['Example.COM', 'example.com.'],
    ['example.com.', 'example.com.'],
    ['_foo._tcp.example.com', '_foo._tcp.example.com.'],
    ['', '.'],
    ['.', '.'],
    [`${'a'.repeat(63)}.com`, `${'a'.repeat(63)}.com.`],
    [`${'abcdefg.'.repeat(31)}abcdef.`, `${'abcdefg.'.repeat(31)}abcdef.`],
  ])('of %j', (text, expected) => {
    expect(canonicalFqdn(text)).toBe(expected);
  });

  it.each([
    'a..b',
    '.a',
    'a.b..',
    '..',
    String.raw`a\.b.example.com`,
    String.raw`example.com\.`,
    String.raw`exa\109ple.com`,
    'exa mple.com',
    'example.com\n',
    'example.com\0.evil.org',
    // The Kelvin sign, whose lower case is an ASCII k.
    '\u212Aube.io',
    'b\u00fccher.example',
    '*.example.com',
    `${'a'.repeat(64)}.com`,
    'a.'.repeat(128),
    'a'.repeat(1_000_000),
  ])('is none for %j', (text) => {
    expect(canonicalFqdn(text)).toBeUndefined();
  });
});

describe('matchesFqdn', () => {
  it('takes a name in any case, with or without its final dot', () => {
    for (const name of ['cilium.io', 'cilium.io.', 'CILIUM.io', 'Cilium.IO.']) {
      for (const selected of ['cilium.io.', 'cilium.io', 'CILIUM.IO.']) {
        expect(matchesFqdn({ name: selected }, name)).toBe(true);
        expect(matchesFqdn({ pattern: selected }, name)).toBe(true);
      }
    }
    expect(matchesFqdn({ name: 'cilium.io.' }, 'www.cilium.io')).toBe(false);
    expect(matchesFqdn({ name: 'cilium.io.' }, 'ciliumxio')).toBe(false);
  });

  const cases: Record<string, { yes: string[]; no: string[] }> = {
    '*.cilium.io.': { yes: ['www.cilium.io.', '_x.cilium.io'], no: ['cilium.io.', 'a.b.cilium.io', 'www.cilium.io.evil.org', ''] },
    '*cilium.io': { yes: ['cilium.io', 'subcilium.io'], no: ['www.cilium.io', 'cilium.iox'] },
    'sub*.cilium.io': { yes: ['sub.cilium.io', 'subdomain.cilium.io'], no: ['www.cilium.io', 'su.cilium.io'] },
    '*.ci*.io.': { yes: ['a.cilium.io.', 'a.ci.io.'], no: ['cilium.io.', 'a.calium.io'] },
    '*.ci**.io.': { yes: ['a.cilium.io.', 'a.ci.io.'], no: ['cilium.io.'] },
    '**.cilium.io': { yes: ['a.cilium.io', 'a.b.c.cilium.io'], no: ['cilium.io', 'acilium.io', 'a.cilium.com'] },
    '****.cilium.io.': { yes: ['a.cilium.io', 'a.b.c.cilium.io'], no: ['cilium.io'] },
    '**.*.cilium.io.': { yes: ['a.b.cilium.io.', 'a.b.c.cilium.io'], no: ['cilium.io.', 'foo.cilium.io.'] },
    '**.ci*.io': { yes: ['a.b.cilium.io', 'a.ci.io'], no: ['cilium.io', 'test.calium.io'] },
    'test.**.cilium.io': { yes: ['test.a.cilium.io', 'TEST.b.cilium.io'], no: ['test.a.b.cilium.io', 'test.cilium.io'] },
    '*.*.cilium.io': { yes: ['_foo._tcp.cilium.io'], no: ['_tcp.cilium.io', 'a.b.c.cilium.io'] },
    '*.com': { yes: ['a.com'], no: ['com', 'a.b.com'] },
    '*': { yes: ['', '.', 'io', 'a.b.c.d'], no: ['a..b', String.raw`a\.b`, 'a b'] },
    '*.': { yes: ['.', 'io', 'a.b.c.d'], no: ['a..b'] },
    '**': { yes: ['.', 'io', 'a.b.c.d'], no: ['.a'] },
    '.': { yes: ['', '.'], no: ['a', 'io.'] },
    '*a*b*c*.io': { yes: ['abc.io', 'xaxbxcx.io', 'aabbcc.io'], no: ['acb.io', 'ab.c.io'] },
    ' *.Cilium.IO ': { yes: ['www.cilium.io'], no: ['cilium.io'] },
  };
  it.each(Object.entries(cases))('pattern %j', (pattern, { yes, no }) => {
    expect(yes.filter((name) => !matchesFqdn({ pattern }, name))).toEqual([]);
    expect(no.filter((name) => matchesFqdn({ pattern }, name))).toEqual([]);
  });

  it('takes no more than moments for patterns and names made to be slow', () => {
    const pattern = `${'*a'.repeat(30)}.io`;
    for (let i = 0; i < 1000; i++) expect(matchesFqdn({ pattern }, `${'a'.repeat(29)}${'b'.repeat(34)}.io`)).toBe(false);
    expect(matchesFqdn({ pattern: '*'.repeat(100_000) + 'a' }, 'a.')).toBe(true);
  });

  /** The meaning as a regular expression, for short names. */
  function asRegExp(pattern: string): RegExp {
    if (/^\*+\.?$/.test(pattern)) return /^(([-a-z0-9_]+\.)+|\.)$/;
    const full = pattern.endsWith('.') ? pattern : `${pattern}.`;
    const deep = /^\*\*+\./.exec(full)?.[0] ?? '';
    const rest = full.slice(deep.length).replaceAll('.', '[.]').replace(/\*+/g, '[-a-z0-9_]*');
    return new RegExp(`^${deep === '' ? '' : '([-a-z0-9_]+[.])+'}${rest}$`);
  }
  const piece = (letters: string): fc.Arbitrary<string> => fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 4 });
  const dotted = (letters: string): fc.Arbitrary<string> => fc.array(piece(letters), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));

  it('means what the regular expression of the pattern means', () => {
    fc.assert(
      fc.property(dotted('ab-**'), dotted('ab-'), (pattern, name) => {
        expect(matchesFqdn({ pattern } satisfies FqdnSelector, name)).toBe(asRegExp(pattern).test(`${name}.`));
      }),
      { numRuns: 3000 },
    );
  });
});
