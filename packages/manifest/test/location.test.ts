import { expect, test } from 'vitest';
import { formatFieldPath, formatLocation } from '../src/index.ts';

test('paths are written as people write them', () => {
  expect(formatFieldPath(['spec', 'egress', 0, 'toFQDNs'])).toBe('spec.egress[0].toFQDNs');
  expect(formatFieldPath(['metadata', 'labels', 'a.b/c', 'x'])).toBe('metadata.labels["a.b/c"].x');
  expect(formatFieldPath([])).toBe('');
});

test('places are written as far as they are known', () => {
  expect(formatLocation({ file: 'a.yaml', line: 3, column: 1, field: 'spec' })).toBe('a.yaml:3: spec');
  expect(formatLocation({ line: 3, column: 1, field: '' })).toBe('line 3');
});
