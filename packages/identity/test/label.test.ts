import fc from 'fast-check';
import { parseCidr } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import { cidrLabelKey, displayLabel, equalLabelSets, formatLabel, labelPrefix, labelSet, makeLabel, parseCidrLabelKey, parseLabel } from '../src/index.ts';

const word = fc.stringMatching(/^[a-z0-9._/-]{1,12}$/);
const label = fc.tuple(fc.constantFrom('k8s', 'container', 'any', 'unspec', 'reserved'), word, fc.oneof(fc.constant(''), word)).map(([source, key, value]) => makeLabel(source, key, value));

describe('parseLabel', () => {
  it.each([
    ['k8s:app=web', 'k8s', 'app', 'web'],
    ['app=web', 'unspec', 'app', 'web'],
    ['app', 'unspec', 'app', ''],
    ['k8s:app', 'k8s', 'app', ''],
    ['k8s:app=', 'k8s', 'app', ''],
    ['k8s:app=a=b', 'k8s', 'app', 'a=b'],
    ['k8s:a:b=c', 'k8s', 'a:b', 'c'],
    ['app=a:b', 'app=a', 'b', ''],
    [':app=web', 'unspec', 'app', 'web'],
    ['$host', 'reserved', 'host', ''],
    ['$=host', 'reserved', 'host', ''],
    ['reserved:host', 'reserved', 'host', ''],
    ['reserved:=host', 'reserved', 'host', ''],
    ['reserved.host', 'reserved', 'host', ''],
    ['reserved.host:x', 'reserved.host', 'x', ''],
    ['k8s.host', 'unspec', 'k8s.host', ''],
    ['any:x', 'any', 'x', ''],
    ['cidr:10.1.2.3/8', 'cidr', '10.0.0.0/8', ''],
    ['cidr:0--1/128', 'cidr', '0--1/128', ''],
    ['cidr:::1/128', 'cidr', '0--1/128', ''],
    ['cidr:fd00::/8', 'cidr', 'fd00--0/8', ''],
  ])('reads %s', (text, source, key, value) => {
    expect(parseLabel(text)).toEqual({ source, key, value });
  });

  it.each(['', ':', '=x', 'k8s:', 'k8s:=x', '$', 'reserved:', 'cidr:', 'cidr:10.0.0.0', 'cidr:10.0.0.0/33', 'cidr:10.0.0.0/8=x', 'cidr:web'])('refuses %j', (text) => {
    expect(() => parseLabel(text)).toThrow(expect.objectContaining({ name: 'IdentityError', code: 'bad-label' }) as Error);
  });

  it('round-trips through formatLabel', () => {
    fc.assert(
      fc.property(label, (each) => {
        expect(parseLabel(formatLabel(each))).toEqual(each);
      }),
    );
  });
});

describe('cidr labels', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['::1/128', '0--1/128'],
    ['fd00::/8', 'fd00--0/8'],
    ['2001:db8::1/128', '2001-db8--1/128'],
    ['::/1', '0--0/1'],
  ])('write %s as %s', (prefix, key) => {
    expect(cidrLabelKey(parseCidr(prefix)!)).toBe(key);
    expect(displayLabel(makeLabel('cidr', key))).toBe(`cidr:${prefix}`);
  });

  it('round-trip, whatever the prefix', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 128 }), (address, length) => {
        const prefix = parseCidr(`${address}/${address.includes(':') ? length : length % 33}`);
        fc.pre(prefix !== undefined);
        const key = cidrLabelKey(prefix!);
        expect(key).not.toMatch(/^-|-\/|:/);
        expect(parseCidrLabelKey(key)).toEqual(prefix);
      }),
      { numRuns: 500 },
    );
  });

  it('leave other labels alone', () => {
    expect(labelPrefix(makeLabel('k8s', '10.0.0.0/8'))).toBeUndefined();
    expect(displayLabel(makeLabel('k8s', 'app', 'web'))).toBe('k8s:app=web');
    expect(parseCidrLabelKey('10.0.0.1')).toBeUndefined();
  });
});

describe('labelSet', () => {
  it('is canonical: the same labels in any order have the same text', () => {
    fc.assert(
      fc.property(fc.uniqueArray(label, { selector: ({ key }) => key, maxLength: 8 }), fc.nat(), (labels, turn) => {
        const turned = [...labels.slice(turn % (labels.length + 1)), ...labels.slice(0, turn % (labels.length + 1))];
        const set = labelSet(labels);
        expect(labelSet(turned.map(formatLabel)).text).toBe(set.text);
        expect(equalLabelSets(labelSet(turned), set)).toBe(true);
        expect(set.text).toBe([...labels].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ source, key, value }) => `${source}:${key}=${value};`).join(''));
        expect(set.size).toBe(labels.length);
        for (const each of labels) expect(set.get(each.key)).toEqual(each);
        expect([...labelSet(set)]).toEqual([...set]);
      }),
    );
  });

  it('keeps the last of a key, whatever the source', () => {
    const set = labelSet(['k8s:app=a', 'zzz', 'container:app=b']);
    expect(set.toStrings()).toEqual(['container:app=b', 'unspec:zzz']);
    expect(set.has('container', 'app')).toBe(true);
    expect(set.has('k8s', 'app')).toBe(false);
    expect(set.get('nothing')).toBeUndefined();
  });

  it('tells what differs apart', () => {
    const texts = [['a=b'], ['a'], ['k8s:a=b'], ['a', 'b'], []].map((labels) => labelSet(labels).text);
    expect(new Set(texts).size).toBe(texts.length);
  });
});
