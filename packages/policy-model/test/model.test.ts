import { expect, test } from 'vitest';
import { parseProtocol, positionMeaning, protocolName, resourceKey } from '../src/index.ts';

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

test('keys name kind, namespace and name', () => {
  expect(resourceKey('NetworkPolicy', 'shop', 'a')).toBe('NetworkPolicy/shop/a');
  expect(resourceKey('CiliumClusterwideNetworkPolicy', undefined, 'a')).toBe('CiliumClusterwideNetworkPolicy//a');
});
