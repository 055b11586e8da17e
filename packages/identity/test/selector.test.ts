import fc from 'fast-check';
import { cidrContains } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import type { Label, Operator, Requirement } from '../src/index.ts';
import { labelPrefix, labelSet, makeLabel, parseCidrLabelKey, parseSelectorKey, selector, selectorFromLabelSelector, selectorMatches } from '../src/index.ts';

const source = fc.constantFrom('k8s', 'container', 'any', 'reserved');
const key = fc.constantFrom('app', 'tier', 'host');
const value = fc.constantFrom('', 'web', 'db');
const cidrKey = fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.1.1/32', '0.0.0.0/1', 'fd00--0/8', 'fd00--1/128');
const label: fc.Arbitrary<Label> = fc.oneof(
  fc.tuple(source, key, value).map(([s, k, v]) => makeLabel(s, k, v)),
  cidrKey.map((k) => makeLabel('cidr', k)),
);
const labels = fc.array(label, { maxLength: 4 }).map(labelSet);
const requirement: fc.Arbitrary<Requirement> = fc
  .tuple(fc.oneof(fc.tuple(source, key), cidrKey.map((k) => ['cidr', k] as const)), fc.constantFrom<Operator>('In', 'NotIn', 'Exists', 'DoesNotExist'), fc.array(value, { minLength: 1, maxLength: 2 }))
  .map(([[s, k], operator, values]) => ({ source: s, key: k, operator, values: operator.endsWith('In') ? values : [] }));

/** The rules, label by label, without any of the shortcuts. */
function meets(term: Requirement, set: Iterable<Label>): boolean {
  const found = [...set].filter((each) => {
    if (term.source === 'cidr') {
      const inner = labelPrefix(each);
      return inner !== undefined && cidrContains(parseCidrLabelKey(term.key)!, inner);
    }
    return each.key === term.key && (term.source === 'any' || term.source === each.source);
  });
  switch (term.operator) {
    case 'In':
      return found.some((each) => term.values.includes(each.value));
    case 'NotIn':
      return !found.some((each) => term.values.includes(each.value));
    case 'Exists':
      return found.length > 0;
    default:
      return found.length === 0;
  }
}

describe('selectorMatches', () => {
  it('is the conjunction of its terms', () => {
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 3 }), labels, (terms, set) => {
        const made = selector(terms);
        const expected = terms.every((term) => meets(term, set));
        expect(selectorMatches(made, set)).toBe(expected);
        // Also when it has been through JSON, or was put together by hand.
        expect(selectorMatches({ text: made.text, requirements: made.requirements }, set)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['cidr:10.0.0.0/8', ['cidr:10.1.0.0/16'], true],
    ['cidr:10.1.0.0/16', ['cidr:10.0.0.0/8'], false],
    ['cidr:10.0.0.0/8', ['cidr:10.0.0.0/8'], true],
    ['cidr:fd00::/8', ['cidr:fd00--1/128'], true],
    ['cidr:0.0.0.0/1', ['cidr:0--0/1'], false],
    ['app', ['k8s:app'], true],
    ['k8s:app', ['any:app'], false],
    ['reserved:host', ['reserved:host'], true],
    ['$host', ['reserved:host'], true],
    ['reserved.host', ['reserved:host'], true],
    ['reserved:host', ['k8s:host'], false],
    ['a.b', ['k8s:a.b'], true],
    [':app', ['container:app'], true],
  ])('%s on %j is %s', (text, object, expected) => {
    const made = selectorFromLabelSelector({ matchLabels: { [text]: '' } }, { defaultSource: 'any' });
    expect(selectorMatches(made, labelSet(object))).toBe(expected);
  });

  it('lets NotIn and DoesNotExist hold where the key is absent', () => {
    for (const [operator, values] of [['NotIn', ['x']], ['DoesNotExist', []]] as const) {
      const made = selectorFromLabelSelector({ matchExpressions: [{ key: 'app', operator, values }] }, { defaultSource: 'any' });
      expect(selectorMatches(made, labelSet(['k8s:tier=x']))).toBe(true);
    }
  });

  it('selects everything without terms', () => {
    const all = selector([]);
    expect(all.text).toBe('<all>');
    expect(selectorMatches(all, labelSet([]))).toBe(true);
  });
});

describe('selector text', () => {
  it('is the same for the same terms in any order, and only then', () => {
    const normal = (terms: readonly Requirement[]): string =>
      JSON.stringify([...new Set(terms.map((term) => JSON.stringify([term.source, term.key, term.operator, [...new Set(term.values)].sort()])))].sort());
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 3 }), fc.array(requirement, { maxLength: 3 }), (a, b) => {
        expect(selector([...a].reverse()).text).toBe(selector(a).text);
        expect(selector(a).text === selector(b).text).toBe(normal(a) === normal(b));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads well', () => {
    const made = selectorFromLabelSelector(
      {
        matchLabels: { app: 'web', 'reserved:host': '' },
        matchExpressions: [
          { key: 'k8s:tier', operator: 'NotIn', values: ['b', 'a', 'b'] },
          { key: 'x', operator: 'Exists' },
          { key: 'y', operator: 'DoesNotExist', values: [] },
          { key: 'z', operator: 'In', values: ['a b', 'c,d'] },
        ],
      },
      { defaultSource: 'any' },
    );
    expect(made.text).toBe('!any:y,any:app=web,any:x,any:z in ("a b","c,d"),k8s:tier notin (a,b),reserved:host=');
  });

  it('belongs to the source of Kubernetes selectors as a whole', () => {
    expect(parseSelectorKey('app.kubernetes.io/name', 'k8s')).toEqual({ source: 'k8s', key: 'app.kubernetes.io/name' });
    expect(parseSelectorKey('unspec:app', 'any')).toEqual({ source: 'any', key: 'app' });
    expect(selectorFromLabelSelector({ matchLabels: { 'k8s:app': 'x' } }, { defaultSource: 'k8s' }).text).toBe('k8s:k8s:app=x');
  });
});

describe('bad selectors', () => {
  it.each([
    [{ source: 'any', key: '', operator: 'Exists', values: [] }, 'bad-selector', /key is empty/],
    [{ source: 'any', key: 'a', operator: 'In', values: [] }, 'bad-selector', /needs at least one value/],
    [{ source: 'any', key: 'a', operator: 'Exists', values: ['x'] }, 'bad-selector', /takes no values/],
    [{ source: 'any', key: 'a', operator: 'Gt', values: ['1'] }, 'bad-selector', /unknown operator "Gt"/],
    [{ source: 'cidr', key: 'web', operator: 'Exists', values: [] }, 'bad-label', /not a prefix/],
  ])('%j', (term, code, message) => {
    expect(() => selector([term as Requirement])).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error);
  });
});
