import { expect, test } from 'vitest';
import { createPolicyDirectory } from '../../src/index.ts';

test('a service by its name alone is that of every namespace', () => {
  const directory = createPolicyDirectory();
  for (const namespace of ['a', 'b']) directory.setService({ namespace, name: 'web', selector: { app: 'web' } });
  directory.setService({ namespace: 'a', name: 'db', selector: { app: 'db' } });
  expect(directory.services({ name: 'web' }).map(({ namespace }) => namespace)).toEqual(['a', 'b']);
  expect(directory.services({ name: 'web', namespace: 'b' }).map(({ namespace }) => namespace)).toEqual(['b']);
  expect(directory.services({ name: 'none' })).toEqual([]);
});
