import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MATCH_TYPE, PolicyModelError, lookupRow, rowPosition } from '../../src/index.ts';
import { MAX_ROW_BOUNDARIES, ROW_POSITIONS } from '../../src/compile/row.ts';
import { createRowPool } from '../../src/compile/row-pool.ts';
import { sweepTerms } from '../../src/compile/row-sweep.ts';
import type { RowTerm } from '../../src/compile/row-term.ts';
import { compareTerms, dropRedundant, matchType } from '../../src/compile/row-term.ts';

const term = (start: number, end: number, action: 'allow' | 'deny' = 'allow', namesPeer = true): RowTerm => ({ start, end, action, namesPeer });
const EVERYTHING = term(0, ROW_POSITIONS - 1);
const row = (terms: RowTerm[]) => createRowPool().intern(sweepTerms(terms), () => 'test');

describe('boundaries', () => {
  test.each<[string, RowTerm[], string]>([
    ['no terms', [], '0n0'],
    ['everything', [EVERYTHING], '0a1'],
    ['a range', [term(10, 19)], '0n0,10a2,20n0'],
    ['ranges side by side become one', [term(10, 19), term(20, 29)], '0n0,10a2,30n0'],
    ['overlapping ranges become one', [term(10, 25), term(20, 29)], '0n0,10a2,30n0'],
    ['a hole', [term(10, 29), term(15, 19, 'deny')], '0n0,10a2,15d2,20a2,30n0'],
    ['from the first position', [term(0, 9)], '0a2,10n0'],
    ['to the last position', [term(ROW_POSITIONS - 5, ROW_POSITIONS - 1)], `0n0,${ROW_POSITIONS - 5}a2`],
    ['a whole protocol', [term(6 * 65536, 7 * 65536 - 1)], '0n0,393216a5,458752n0'],
    ['two protocols side by side', [term(6 * 65536, 7 * 65536 - 1), term(7 * 65536, 8 * 65536 - 1)], '0n0,393216a5,524288n0'],
    ['the same term twice', [term(10, 19), term(10, 19)], '0n0,10a2,20n0'],
  ])('%s', (_name, terms, key) => {
    expect(row(terms).key).toBe(key);
  });

  test('agree with the first term in order of precedence, position by position', { timeout: 60_000 }, () => {
    const arbitraryTerm = fc
      .tuple(fc.nat(120), fc.nat(40), fc.constantFrom('allow' as const, 'deny' as const), fc.boolean())
      .map(([start, length, action, namesPeer]) => term(start, start + length, action, namesPeer));
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: arbitraryTerm }, { weight: 1, arbitrary: fc.constant(EVERYTHING) }), { maxLength: 12 }), (terms) => {
        const swept = row(terms);
        const kept = dropRedundant(terms);
        for (let position = 0; position < 170; position++) {
          const winner = kept.filter(({ start, end }) => start <= position && position <= end).sort(compareTerms)[0];
          const expected = winner === undefined ? ['deny-default', MATCH_TYPE.none] : [winner.action, matchType(winner)];
          const { action, match } = lookupRow(swept, 0, position);
          expect([action, match]).toEqual(expected);
        }
      }),
      { numRuns: 500, seed: 20260722 },
    );
  });

  test('precedence is an order: no three terms beat one another in a circle', () => {
    const any = fc.record({ start: fc.nat(5), width: fc.nat(3), action: fc.constantFrom('allow' as const, 'deny' as const), namesPeer: fc.boolean() }).map(({ start, width, action, namesPeer }) => term(start, start + width, action, namesPeer));
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        if (compareTerms(a, b) <= 0 && compareTerms(b, c) <= 0) expect(compareTerms(a, c)).toBeLessThanOrEqual(0);
        expect(Math.sign(compareTerms(a, b))).toBe(-Math.sign(compareTerms(b, a)) + 0);
      }),
      { numRuns: 2000, seed: 20260722 },
    );
  });
});

describe('look-up', () => {
  const example = row([term(rowPosition(6, 80), rowPosition(6, 90))]);
  test.each([
    [6, 79, 'deny-default'],
    [6, 80, 'allow'],
    [6, 90, 'allow'],
    [6, 91, 'deny-default'],
    [0, 0, 'deny-default'],
    [255, 65535, 'deny-default'],
  ])('protocol %i port %i', (protocol, port, action) => {
    expect(lookupRow(example, protocol, port).action).toBe(action);
  });

  test.each([[-1, 0, 'protocol'], [256, 0, 'protocol'], [6.5, 0, 'protocol'], [6, -1, 'port'], [6, 65536, 'port'], [6, Number.NaN, 'port']])('%d/%d is refused', (protocol, port, argument) => {
    expect(() => lookupRow(example, protocol, port)).toThrow(new RegExp(`^${argument}: `));
  });
});

describe('pool', () => {
  test('the same content is the same object, other content another', () => {
    const pool = createRowPool();
    const make = (...terms: RowTerm[]) => pool.intern(sweepTerms(terms), () => 'test');
    expect(make(term(10, 19), term(20, 29))).toBe(make(term(10, 29)));
    expect(make(term(10, 29))).not.toBe(make(term(10, 28)));
    expect(make(term(10, 29))).not.toBe(make(term(10, 29, 'deny')));
    expect(make(term(10, 29))).not.toBe(make(term(10, 29, 'allow', false)));
    expect(pool.size).toBe(4);
  });

  test('a row that the datapath could not search is refused, one that just fits is not', () => {
    const every = (count: number) => sweepTerms(Array.from({ length: count }, (_, i) => term(2 * i + 1, 2 * i + 1)));
    const pool = createRowPool();
    const most = every((MAX_ROW_BOUNDARIES - 2) / 2).concat({ start: 60000, verdict: { action: 'deny', match: MATCH_TYPE.all } });
    expect(pool.intern(most, () => 'test').boundaries).toHaveLength(MAX_ROW_BOUNDARIES);
    const refused = (): unknown => pool.intern(every(MAX_ROW_BOUNDARIES / 2), () => 'ingress of k8s:app=web (identity 300)');
    expect(refused).toThrow(PolicyModelError);
    expect(refused).toThrow('compile policy for ingress of k8s:app=web (identity 300): 1025 changes of verdict over the ports of one peer, at most 1024 fit; merge ports into ranges, or write fewer rules for the same peers');
  });

  test('rows are frozen', () => {
    expect(Object.isFrozen(row([])) && Object.isFrozen(row([]).boundaries)).toBe(true);
  });
});
