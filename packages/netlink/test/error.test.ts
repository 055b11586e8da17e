import { expect, it } from 'vitest';

import { ifIndex, namespacePath, NetlinkError } from '../src/index.ts';
import { errnoError, systemError } from '../src/error.ts';

it('classifies what the kernel answers, and says it in one line', () => {
  const cases: [number, string, string][] = [[17, 'exists', 'EEXIST'], [2, 'not-found', 'ENOENT'], [19, 'not-found', 'ENODEV'], [1, 'permission', 'EPERM'], [22, 'invalid', 'EINVAL'], [95, 'unsupported', 'EOPNOTSUPP'], [524, 'unsupported', 'ENOTSUPP'], [11, 'kernel', 'EAGAIN']];
  for (const [errno, code, name] of cases) expect(errnoError(errno, { operation: 'add route' })).toMatchObject({ code, errno, errnoName: name, name: 'NetlinkError', message: `add route: ${name}` });
  expect(errnoError(22, { operation: 'add route', extendedAck: 'no such table' })).toMatchObject({ message: 'add route: EINVAL: no such table', extendedAck: 'no such table' });
  expect(errnoError(9999, { operation: 'x' })).toMatchObject({ code: 'kernel', errnoName: undefined, message: 'x: errno 9999' });
});

it('keeps the cause of what others threw', () => {
  const cause = Object.assign(new Error('open'), { errno: -2, code: 'ENOENT' });
  expect(systemError(cause, { operation: 'open it', path: '/x' })).toMatchObject({ code: 'not-found', cause, path: '/x' });
  const own = new NetlinkError('closed', 'gone', { operation: 'x' });
  expect(systemError(own, { operation: 'y' })).toBe(own);
});

it('checks what cannot be an index or a namespace', () => {
  expect(ifIndex(7)).toBe(7);
  for (const bad of [0, -1, 1.5, 2 ** 31, Number.NaN]) expect(() => ifIndex(bad)).toThrow(RangeError);
  expect(namespacePath('blue')).toBe('/run/netns/blue');
  expect(namespacePath('/proc/1/ns/net')).toBe('/proc/1/ns/net');
  expect(namespacePath('./x')).toBe(`${process.cwd()}/x`);
  for (const bad of ['', '.', '..']) expect(() => namespacePath(bad)).toThrow(TypeError);
});
