import { expect, test } from 'vitest';
import { suggest } from '../src/index.ts';

test.each([
  ['ingres', 'ingress'],
  ['INGRESS', 'ingress'],
  ['toport', 'toPorts'],
  ['zzzzzz', undefined],
])('%j is near %s', (word, expected) => {
  expect(suggest(word, ['ingress', 'egress', 'toPorts'])).toBe(expected);
});
