import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { contentHash } from '../../src/compile/content-hash.ts';

test('is SHA-256, for every length around the block size', () => {
  for (let length = 0; length < 200; length++) {
    const text = 'aé€😀z'.repeat(40).slice(0, length);
    expect(contentHash(text)).toBe(createHash('sha256').update(text).digest('hex'));
  }
  const long = '0123456789'.repeat(20_000);
  expect(contentHash(long)).toBe(createHash('sha256').update(long).digest('hex'));
});
