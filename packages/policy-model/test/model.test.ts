import { suggest } from '@cilium-ts/core';
import { expect, test } from 'vitest';
import { formatLocation, parseProtocol, positionMeaning, protocolName, resourceKey } from '../src/index.ts';
import { formatFieldPath } from '../src/model/location.ts';

test.each([
  ['tcp', 6],
  [' UDP ', 17],
  ['ICMPv6', 58],
  ['47', 47],
  ['256', undefined],
  ['', undefined],
  ['any', undefined],
  ['-1', undefined],
])('the protocol %j is %s', (text, number) => {
  expect(parseProtocol(text)).toBe(number);
});

test('protocols have names where policies name them, and their positions a meaning', () => {
  expect([6, 58, 47].map(protocolName)).toEqual(['TCP', 'ICMPv6', '47']);
  expect([6, 1, 58, 47].map(positionMeaning)).toEqual(['port', 'icmp-type', 'icmp-type', 'none']);
});

test('paths are written as people write them', () => {
  expect(formatFieldPath(['spec', 'egress', 0, 'toFQDNs'])).toBe('spec.egress[0].toFQDNs');
  expect(formatFieldPath(['metadata', 'labels', 'a.b/c', 'x'])).toBe('metadata.labels["a.b/c"].x');
  expect(formatFieldPath([])).toBe('');
});

test('places are written as far as they are known', () => {
  expect(formatLocation({ file: 'a.yaml', line: 3, column: 1, field: 'spec' })).toBe('a.yaml:3: spec');
  expect(formatLocation({ line: 3, column: 1, field: '' })).toBe('line 3');
});

test('keys name kind, namespace and name', () => {
  expect(resourceKey('NetworkPolicy', 'shop', 'a')).toBe('NetworkPolicy/shop/a');
  expect(resourceKey('CiliumClusterwideNetworkPolicy', undefined, 'a')).toBe('CiliumClusterwideNetworkPolicy//a');
});

test.each([
  ['ingres', 'ingress'],
  ['INGRESS', 'ingress'],
  ['toport', 'toPorts'],
  ['zzzzzz', undefined],
])('%j is near %s', (word, expected) => {
  expect(suggest(word, ['ingress', 'egress', 'toPorts'])).toBe(expected);
});
